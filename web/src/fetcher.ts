import {
  createGraphiQLFetcher,
  type Fetcher,
  type FetcherOpts,
  type FetcherParams,
} from '@graphiql/toolkit';
import { getOperationAST, parse, type DocumentNode } from 'graphql';
import { createClient } from 'graphql-ws';

import type { SignIn } from './sign-in';

const AUTHORIZATION = 'authorization';

type Headers = Record<string, string>;

/**
 * Queries and mutations by POST, subscriptions over graphql-transport-ws on the same path.
 *
 * A browser cannot set headers on a WebSocket, so the `Authorization` of the headers editor goes
 * into the payload of `connection_init`. Each subscription has a connection of its own: its token
 * is the one that was in the editor when it started.
 */
export function createFetcher(endpoint: URL, signIn: SignIn): Fetcher {
  return async (params, opts = {}) => {
    const headers = withToken(editorHeaders(opts), signIn.current()?.token);
    const send = createGraphiQLFetcher({
      url: endpoint.href,
      headers,
      enableIncrementalDelivery: false,
      wsClient: createClient({
        url: webSocketUrl(endpoint),
        connectionParams: connectionParams(headers),
      }),
    });
    const result = await send(...current(params, { ...opts, headers }));
    signIn.observe(result);
    return result;
  };
}

/**
 * GraphiQL reads the editor only every now and then: just after a change of tabs, the operation's
 * name and document may still be the other tab's, while the query is the new one.
 */
function current(params: FetcherParams, opts: FetcherOpts): [FetcherParams, FetcherOpts] {
  const documentAST = parsed(params.query);
  const named = documentAST && getOperationAST(documentAST, params.operationName);
  const operation = named ?? (documentAST && getOperationAST(documentAST));
  return documentAST && operation
    ? [{ ...params, operationName: operation.name?.value ?? null }, { ...opts, documentAST }]
    : [params, opts];
}

function parsed(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    return undefined; // the server says what is wrong with it
  }
}

function editorHeaders(opts: FetcherOpts): Headers {
  const headers: Record<string, unknown> = opts.headers ?? {};
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}

function withToken(headers: Headers, token: string | undefined): Headers {
  return token === undefined || AUTHORIZATION in headers
    ? headers
    : { ...headers, [AUTHORIZATION]: `Bearer ${token}` };
}

function connectionParams(headers: Headers): Headers {
  const authorization = headers[AUTHORIZATION];
  return authorization === undefined ? {} : { [AUTHORIZATION]: authorization };
}

function webSocketUrl(endpoint: URL): string {
  const url = new URL(endpoint);
  url.protocol = endpoint.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
