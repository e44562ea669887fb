"""A real Chromium whose network ends at one server, and GraphiQL as a person uses it."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, Request, Route, WebSocket, async_playwright, expect

CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name resolves, whoever asks (workers and sockets too).
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_PATIENCE_MS = 20_000
_LOCAL = re.compile(r"^(?:data|blob|about):")


class Network:
    """What a page asked for. All but one origin is refused, and noted in `foreign`."""

    def __init__(self, origin: str) -> None:
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.sockets: list[WebSocket] = []
        self.sent_frames: list[str] = []
        self._own = (f"{origin}/", f"{origin.replace('http', 'ws', 1)}/")

    def note(self, url: str) -> bool:
        """Note a request; True if it may go out."""
        allowed = url.startswith(self._own) or _LOCAL.match(url) is not None
        if not allowed and url not in self.foreign:
            self.foreign.append(url)
        return allowed

    async def watch(self, page: Page) -> None:
        """Refuse and note from now on; errors in the page's console go to `complaints`."""
        await page.context.route("**/*", self._route)
        page.context.on("request", self._request)
        page.on("websocket", self._socket)
        page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def _route(self, route: Route) -> None:
        await (route.continue_() if self.note(route.request.url) else route.abort())

    def _request(self, request: Request) -> None:
        self.note(request.url)

    def _socket(self, socket: WebSocket) -> None:
        self.note(socket.url)
        self.sockets.append(socket)
        socket.on("framesent", lambda frame: self.sent_frames.append(str(frame)))


@asynccontextmanager
async def chromium(origin: str) -> AsyncIterator[tuple[Page, Network]]:
    """A page in a fresh profile that reaches `origin` (`http://127.0.0.1:PORT`) and nothing else.

    Needs Debian's package `chromium`.
    """
    network = Network(origin)
    expect.set_options(timeout=_PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        # Tall: the editors draw only the lines that fit.
        page = await browser.new_page(viewport={"width": 1440, "height": 1800})
        await network.watch(page)
        yield page, network
        await browser.close()


class Explorer:
    """GraphiQL's page, by what one sees and clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.result = page.locator(".result-window")
        self.account = page.locator(".freshql-account")
        self._tabs = page.locator(".graphiql-tab-button")

    async def open(self, origin: str) -> None:
        """Go to the page, and wait for its editors."""
        await self.page.goto(f"{origin}/graphql")
        await expect(self._editor(".graphiql-query-editor")).to_contain_text("{")

    async def tab(self, name: str) -> None:
        """Switch to the tab of that operation."""
        await self._tabs.get_by_text(name, exact=True).click()
        await expect(self._editor(".graphiql-query-editor")).to_contain_text(f" {name}")

    async def tabs(self) -> list[str]:
        """The tabs' names, in their order."""
        return await self._tabs.all_inner_texts()

    async def write(self, editor: str, text: str) -> None:
        """Replace what is in an editor: `Operation`, `Variables` or `Headers`."""
        if editor == "Operation":
            place = self._editor(".graphiql-query-editor")
        else:
            await self.page.get_by_role("button", name=editor, exact=True).click()
            place = self._editor(".graphiql-editor-tool .graphiql-editor:not(.hidden)")
        await place.click()
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.press("Delete")
        await self.page.keyboard.insert_text(text)

    async def run(self) -> dict[str, Any]:
        """Run the tab's query or mutation: the server's answer, once the page shows it."""
        async with self.page.expect_response(_is_operation) as waiting:
            await self.start()
        response = await waiting.value
        await expect(self.result).to_contain_text('"data"')
        answer: dict[str, Any] = await response.json()
        return answer

    async def start(self) -> None:
        """Press the run button: to start, and to stop a subscription."""
        await self.page.locator(".graphiql-execute-button").click()

    def _editor(self, within: str) -> Locator:
        return self.page.locator(f"{within} .monaco-editor .view-lines").first


def _is_operation(response: Any) -> bool:
    request = response.request
    if request.method != "POST" or not request.post_data:
        return False
    return json.loads(request.post_data).get("operationName") != "IntrospectionQuery"
