import { GraphiQL } from 'graphiql';
import { useSyncExternalStore } from 'react';

import { examples } from './examples';
import { createFetcher } from './fetcher';
import { SignIn } from './sign-in';

const ENDPOINT = '/graphql';

const signIn = new SignIn(sessionStorage);
const fetcher = createFetcher(new URL(ENDPOINT, location.href), signIn);

/** The whole page: GraphiQL with the example operations in its tabs. */
export function Explorer() {
  return (
    <GraphiQL
      fetcher={fetcher}
      defaultTabs={examples}
      defaultEditorToolsVisibility="variables"
      inputValueDeprecation
      schemaDescription
    >
      <GraphiQL.Logo>
        <Account />
        <span className="freshql-name">FreshQL</span>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

function Account() {
  const current = useSyncExternalStore(signIn.subscribe, signIn.current);
  if (current === null) {
    return null;
  }
  return (
    <button
      type="button"
      className="freshql-account"
      title="Requests without an Authorization header carry the token of the last login"
      onClick={signIn.forget}
    >
      {current.name ?? 'Signed in'} · sign out
    </button>
  );
}
