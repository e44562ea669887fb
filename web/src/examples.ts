interface Tab {
  readonly query: string;
  readonly variables: string | null;
}

const operations = import.meta.glob<string>('./examples/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});
const variables = import.meta.glob<string>('./examples/*.json', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** One tab for each operation in `examples/`, in the order of the file names. */
export const examples: Tab[] = Object.keys(operations)
  .sort()
  .map((path) => ({
    query: operations[path] ?? '',
    variables: variables[path.replace(/\.graphql$/, '.json')] ?? null,
  }));
