import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './style.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { Explorer } from './explorer';

const root = document.getElementById('root');
if (root === null) {
  throw new Error('expected an element with the id "root" in the page, found none');
}
createRoot(root).render(
  <StrictMode>
    <Explorer />
  </StrictMode>,
);
