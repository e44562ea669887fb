/** What the page remembers of the last login. */
export interface Account {
  readonly token: string;
  readonly name: string | null;
}

type Listener = () => void;

const KEY = 'freshql:account';

/**
 * The token of the last login that was run in the page, for requests whose headers editor has no
 * `Authorization`. Kept for this browser tab only; `logout` and the page's button forget it.
 */
export class SignIn {
  readonly #storage: Storage;
  readonly #listeners = new Set<Listener>();
  #account: Account | null;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#account = parseAccount(storage.getItem(KEY));
  }

  readonly current = (): Account | null => this.#account;

  readonly subscribe = (listener: Listener): Listener => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly forget = (): void => this.#set(null);

  /** Takes the token out of an answer's payloads, if there is one (`login` has it). */
  observe(result: unknown): void {
    const data = isRecord(result) ? result['data'] : undefined;
    for (const [field, payload] of Object.entries(isRecord(data) ? data : {})) {
      if (!isRecord(payload)) {
        continue;
      }
      if (typeof payload['token'] === 'string') {
        this.#set({ token: payload['token'], name: nameOf(payload['user']) });
      } else if (field === 'logout' && !hasErrors(payload)) {
        this.forget();
      }
    }
  }

  #set(account: Account | null): void {
    this.#account = account;
    if (account === null) {
      this.#storage.removeItem(KEY);
    } else {
      this.#storage.setItem(KEY, JSON.stringify(account));
    }
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

function parseAccount(text: string | null): Account | null {
  const stored: unknown = text === null ? null : JSON.parse(text);
  return isRecord(stored) && typeof stored['token'] === 'string'
    ? { token: stored['token'], name: nameOf(stored) }
    : null;
}

function nameOf(user: unknown): string | null {
  return isRecord(user) && typeof user['name'] === 'string' ? user['name'] : null;
}

function hasErrors(payload: Record<string, unknown>): boolean {
  return Array.isArray(payload['errors']) && payload['errors'].length > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
