"""The GraphiQL page for a machine without Node: its scripts come from unpkg.com.

Every file is pinned to a version and carries the digest of its content (W3C Subresource
Integrity), so the network can withhold the page but not change it. The last GraphiQL that comes
as plain scripts is 3.8.3; the built page has the current one.
"""

import hashlib
import html
import json
from base64 import b64encode
from pathlib import Path

_CDN = "https://unpkg.com"

_SCRIPTS = {
    "react@18.3.1/umd/react.production.min.js": (
        "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z"
    ),
    "react-dom@18.3.1/umd/react-dom.production.min.js": (
        "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1"
    ),
    "graphql-ws@5.16.2/umd/graphql-ws.min.js": (
        "sha384-+EVxFEOpy8LWPRQcpntm0FKN2O+BzrMNSL0G3HIgVWFmeb6xqZqjuLivrQUTXZKi"
    ),
    "graphiql@3.8.3/graphiql.min.js": (
        "sha384-HbRVEFG0JGJZeAHCJ9Xm2+tpknBQ7QZmNlO/DgZtkZ0aJSypT96YYGRNod99l9Ie"
    ),
}
_STYLES = {
    "graphiql@3.8.3/graphiql.min.css": (
        "sha384-Mq3vbRBY71jfjQAt/DcjxUIYY33ksal4cgdRt9U/hNPvHBCaT2JfJ/PTRiPKf0aM"
    ),
}

_START = """
const root = document.getElementById('root');
if (window.GraphiQL === undefined) {
  root.textContent = 'GraphiQL could not be loaded. The API itself answers POST '
    + root.dataset.endpoint + '.';
} else {
  const url = new URL(root.dataset.endpoint, location.href);
  const socket = new URL(url);
  socket.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  let login = {};
  const observe = (result) => {
    for (const [field, payload] of Object.entries(result.data ?? {})) {
      if (payload?.token) login = { authorization: `Bearer ${payload.token}` };
      else if (field === 'logout' && !payload?.errors?.length) login = {};
    }
  };
  const fetcher = async (params, opts = {}) => {
    const editor = Object.entries(opts.headers ?? {});
    const headers = { ...login,
      ...Object.fromEntries(editor.map(([name, value]) => [name.toLowerCase(), value])) };
    const { authorization } = headers;
    const connectionParams = authorization === undefined ? {} : { authorization };
    const wsClient = graphqlWs.createClient({ url: socket.href, connectionParams });
    const send = GraphiQL.createFetcher(
      { url: url.href, enableIncrementalDelivery: false, wsClient });
    const result = await send(params, { ...opts, headers });
    observe(result);
    return result;
  };
  ReactDOM.createRoot(root).render(React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: JSON.parse(document.getElementById('examples').textContent) ?? undefined,
    defaultEditorToolsVisibility: 'variables',
  }));
}
"""

_STYLE = """
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; font: 14px/1.5 sans-serif; }
#root { flex: 1; min-height: 0; }
.notice { background: #fff3c4; color: #3d2f00; margin: 0; padding: 6px 16px; }
"""

_NOTICE = (
    "Hosted page: GraphiQL comes from unpkg.com, so it needs the network. "
    "Install Node (20.19 or later) and restart FreshQL for the offline one."
)

_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>FreshQL</title>
    {styles}
    <style>{style}</style>
  </head>
  <body>
    <p class="notice" role="status">{notice}</p>
    <div id="root" data-endpoint="{endpoint}">Loading GraphiQL…</div>
    <script type="application/json" id="examples">{examples}</script>
    {scripts}
    <script>{start}</script>
  </body>
</html>
"""


def _inline_hash(text: str) -> str:
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_CDN} {_inline_hash(_START)}",
        f"style-src {_CDN} 'unsafe-inline'",
        "font-src data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The page's Content-Security-Policy: the CDN, its own script by digest, and this server."""


def read_examples(folder: Path) -> list[dict[str, str]]:
    """The example operations in `folder` as GraphiQL's tabs, by file name; [] without a folder.

    An operation is `NAME.graphql`; its variables, if any, are `NAME.json`.
    """
    tabs = []
    for operation in sorted(folder.glob("*.graphql")):
        tab = {"query": operation.read_text(encoding="utf-8")}
        variables = operation.with_suffix(".json")
        if variables.is_file():
            tab["variables"] = variables.read_text(encoding="utf-8")
        tabs.append(tab)
    return tabs


def render(endpoint: str, examples: list[dict[str, str]]) -> str:
    """The page's HTML. `endpoint` is the path of the API, `examples` what `read_examples` gave."""
    # No examples: null lets GraphiQL open its own first tab.
    tabs = json.dumps(examples or None).replace("<", "\\u003c")
    return _PAGE.format(
        styles="\n    ".join(_tag("link", *pair) for pair in _STYLES.items()),
        style=_STYLE,
        notice=html.escape(_NOTICE),
        endpoint=html.escape(endpoint),
        examples=tabs,
        scripts="\n    ".join(_tag("script", *pair) for pair in _SCRIPTS.items()),
        start=_START,
    )


def _tag(kind: str, path: str, integrity: str) -> str:
    checked = f'integrity="{integrity}" crossorigin="anonymous"'
    if kind == "link":
        return f'<link rel="stylesheet" href="{_CDN}/{path}" {checked}>'
    return f'<script src="{_CDN}/{path}" {checked}></script>'
