import { defineConfig } from 'vite';

const SERVER = 'http://127.0.0.1:8000';

export default defineConfig({
  // The page itself is served at /graphql; what it loads, below /graphiql/.
  base: '/graphiql/',
  build: {
    target: 'es2022',
    // The editor and its workers are large, and come from this server.
    chunkSizeWarningLimit: 5000,
    // "use client" in React libraries: meant for servers that render, dropped here on purpose.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  // `npm run dev` serves the page at /graphiql/ and leaves the API to a running server.
  server: { proxy: { '/graphql': { target: SERVER, ws: true } } },
});
