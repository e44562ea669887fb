"""Accounts: who can log in, and that a refusal tells nobody more than that."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from models.tables import Role, Session, User
from resolvers import accounts, passwords, sessions, users
from resolvers.accounts import ProfileChanges, Registration
from resolvers.context import ANONYMOUS, Viewer
from resolvers.errors import ErrorCode, InvalidArgument, Refused
from resolvers.sessions import digest_of
from tests.support.store import Store, Worker, context_of
from tests.support.world import Gate

GOOD = "correct horse"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same algorithm with little memory: these tests are about what is hashed."""
    passwords._decoy.cache_clear()
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(1, 64, 1))
    yield
    passwords._decoy.cache_clear()


async def _with_password(store: Store, name: str = "ada") -> User:
    user = store.users[name]
    await User.filter(id=user.id).update(password_hash=await passwords.hashed(GOOD))
    return user


async def _login(worker: Worker, email: str, password: str) -> tuple[str, Viewer]:
    async with worker.context() as ctx:
        opened = await accounts.login(ctx, email, password)
        return opened.token, ctx.viewer


async def test_register_then_log_in(store: Store) -> None:
    with context_of(store.worker, ANONYMOUS) as ctx:
        who = Registration("Carl", "carl@example.com", GOOD)
        number = await accounts.register(ctx, who)
        assert ctx.viewer == ANONYMOUS
    user = await User.get(id=number)
    assert user.role is Role.CUSTOMER
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$")
    token, viewer = await _login(store.other, "CARL@Example.com", GOOD)
    assert viewer == Viewer(number, Role.CUSTOMER, digest_of(token))


async def test_one_address_one_account(store: Store) -> None:
    async def register(worker: Worker) -> int:
        with context_of(worker, ANONYMOUS) as ctx:
            return await accounts.register(ctx, Registration("C", "c@example.com", GOOD))

    both = await asyncio.gather(
        register(store.worker), register(store.other), return_exceptions=True
    )
    [refused] = [outcome for outcome in both if isinstance(outcome, Refused)]
    assert refused.errors[0].code is ErrorCode.INVALID_INPUT
    assert refused.errors[0].path == ("input", "email")
    assert await User.filter(email="c@example.com").count() == 1


async def test_failures_do_not_tell_which_addresses_are_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, without a password, wrong password: the same words, and one hash is checked each."""
    await _with_password(store)
    checked: list[bool] = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, *args: Any) -> Any:
        checked.append(True)
        return verify(self, *args)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    said = []
    attempts = [
        ("ada@example.com", "wrong"),
        ("nobody@example.com", GOOD),
        ("bob@example.com", GOOD),
        ("bob@example.com", ""),
    ]
    for count, (email, password) in enumerate(attempts, start=1):
        with pytest.raises(Refused) as raised:
            await _login(store.worker, email, password)
        said.append(raised.value.errors)
        assert len(checked) == count
    assert said == [said[0]] * len(attempts)
    assert said[0][0].code is ErrorCode.UNAUTHENTICATED


@pytest.mark.parametrize(("email", "password"), [("a\0b", GOOD), ("ada@example.com", "x" * 2000)])
async def test_what_cannot_be_a_login_is_one_that_fails(
    store: Store, email: str, password: str
) -> None:
    with pytest.raises(Refused) as raised:
        await _login(store.worker, email, password)
    assert raised.value.errors[0].code is ErrorCode.UNAUTHENTICATED


async def test_a_login_reads_as_the_user(store: Store) -> None:
    user = await _with_password(store)
    async with store.worker.context() as ctx:
        assert await users.me(ctx) is None
        await accounts.login(ctx, "ada@example.com", GOOD)
        found = await users.me(ctx)
        assert found is not None
        assert found.id == user.id
    async with store.worker.context() as ctx:
        assert await users.me(ctx) is None


async def test_a_new_password_ends_the_other_sessions(store: Store) -> None:
    await _with_password(store)
    elsewhere = await store.session("ada")
    async with store.other.context(elsewhere) as ctx:
        assert ctx.viewer != ANONYMOUS
    async with store.worker.context(store.tokens["ada"]) as ctx:
        await accounts.change_password(ctx, GOOD, "battery staple")
    for token, known in ((elsewhere, False), (store.tokens["ada"], True)):
        async with store.other.context(token) as ctx:
            assert (ctx.viewer != ANONYMOUS) is known
    with pytest.raises(Refused):
        await _login(store.worker, "ada@example.com", GOOD)
    await _login(store.worker, "ada@example.com", "battery staple")


async def test_the_current_password_must_be_right(store: Store) -> None:
    await _with_password(store)
    async with store.worker.context(store.tokens["ada"]) as ctx:
        with pytest.raises(Refused) as raised:
            await accounts.change_password(ctx, "wrong", "battery staple")
        assert raised.value.errors[0].path == ("input", "current")
        with pytest.raises(InvalidArgument, match=r"^input\.new: expected a password of 8 to 1024"):
            await accounts.change_password(ctx, GOOD, "short")
    await _login(store.worker, "ada@example.com", GOOD)


async def test_a_login_with_the_old_password_does_not_outlive_the_change(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L checks the old password · C changes it and ends all sessions · L would begin a new one."""
    await _with_password(store)
    gate, matches = Gate(), passwords.matches

    async def slow(*args: Any) -> bool:
        result = await matches(*args)
        monkeypatch.setattr(passwords, "matches", matches)
        await gate()
        return result

    monkeypatch.setattr(passwords, "matches", slow)
    late = asyncio.create_task(_login(store.other, "ada@example.com", GOOD))
    await gate.reached.wait()
    async with store.worker.context(store.tokens["ada"]) as ctx:
        await accounts.change_password(ctx, GOOD, "battery staple")
    gate.open()
    with pytest.raises(Refused):
        await late
    assert await Session.filter(user=store.users["ada"]).count() == 1


async def test_ended_sessions_are_removed_by_the_next_login(store: Store) -> None:
    await _with_password(store)
    ended = await store.session("ada", age=sessions.LIFETIME)
    await _login(store.worker, "ada@example.com", GOOD)
    assert not await Session.filter(digest=digest_of(ended)).exists()
    assert await Session.filter(digest=digest_of(store.tokens["ada"])).exists()


async def test_a_profile_changes_from_its_version_only(store: Store) -> None:
    async with store.worker.context(store.tokens["ada"]) as ctx:
        await accounts.update_profile(ctx, ProfileChanges(name="Ada L.", version=1))
        with pytest.raises(Refused) as raised:
            await accounts.update_profile(ctx, ProfileChanges(name="Eve", version=1))
        [error] = raised.value.errors
        assert (error.code, error.current_version) == (ErrorCode.CONFLICT, 2)
        await accounts.update_profile(ctx, ProfileChanges(avatar_url="https://example.com/a.png"))
        await accounts.update_profile(ctx, ProfileChanges(avatar_url=None, version=3))
        await accounts.update_profile(ctx, ProfileChanges(name="Ada L."))
    user = await User.get(id=store.users["ada"].id)
    assert (user.name, user.avatar_url, user.version) == ("Ada L.", None, 4)


async def test_one_of_two_edits_from_one_version_wins(store: Store) -> None:
    async def edit(worker: Worker, name: str) -> int:
        async with worker.context(store.tokens["ada"]) as ctx:
            return await accounts.update_profile(ctx, ProfileChanges(name=name, version=1))

    both = await asyncio.gather(
        edit(store.worker, "One"), edit(store.other, "Two"), return_exceptions=True
    )
    assert sum(isinstance(outcome, Refused) for outcome in both) == 1
    assert (await User.get(id=store.users["ada"].id)).version == 2


@pytest.mark.parametrize("what", ["logout", "password", "profile"])
async def test_nobody_has_nothing_to_change(store: Store, what: str) -> None:
    with context_of(store.worker, ANONYMOUS) as ctx:
        work = {
            "logout": lambda: sessions.logout(ctx, everywhere=True),
            "password": lambda: accounts.change_password(ctx, GOOD, "battery staple"),
            "profile": lambda: accounts.update_profile(ctx, ProfileChanges(name="X")),
        }
        with pytest.raises(Refused) as raised:
            await work[what]()
    assert raised.value.errors[0].code is ErrorCode.UNAUTHENTICATED
