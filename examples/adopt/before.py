"""A library's API on Strawberry and SQLAlchemy. `before.py` asks the database each time, and
`after.py` is the same with the cache.

DATABASE_URL=sqlite+aiosqlite:///library.db REDIS_URL=redis://localhost uvicorn after:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import strawberry
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from strawberry.asgi import GraphQL

engine = create_async_engine(os.environ["DATABASE_URL"])
sessions = async_sessionmaker(engine, expire_on_commit=False)


# ---- tables ----


class Base(DeclarativeBase):
    pass


class Authors(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Books(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey(Authors.id))
    copies: Mapped[int]


class Loans(Base):
    __tablename__ = "loans"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey(Books.id))
    reader: Mapped[str]


# ---- queries: plain rows ----


@dataclass(frozen=True)
class AuthorRow:
    id: int
    name: str


@dataclass(frozen=True)
class BookRow:
    id: int
    title: str
    author_id: int
    available: int


async def author_row(author_id: int) -> AuthorRow | None:
    async with sessions() as session:
        row = await session.get(Authors, author_id)
        return AuthorRow(row.id, row.name) if row else None


async def book_row(book_id: int) -> BookRow | None:
    lent = select(func.count()).where(Loans.book_id == Books.id).scalar_subquery()
    columns = (Books.id, Books.title, Books.author_id, Books.copies - lent)
    async with sessions() as session:
        row = (await session.execute(select(*columns).where(Books.id == book_id))).first()
        return BookRow(*row) if row else None


async def book_ids() -> tuple[int, ...]:
    async with sessions() as session:
        return tuple(await session.scalars(select(Books.id).order_by(Books.title)))


async def loaned_to(reader: str) -> tuple[int, ...]:
    async with sessions() as session:
        query = select(Loans.book_id).where(Loans.reader == reader).order_by(Loans.id)
        return tuple(await session.scalars(query))


# ---- the API ----


@strawberry.type
class Author:
    id: int
    name: str


@strawberry.type
class Book:
    id: int
    title: str
    available: int
    author_id: strawberry.Private[int]

    @strawberry.field
    async def author(self) -> Author | None:
        row = await author_row(self.author_id)
        return Author(**asdict(row)) if row else None


async def find_book(book_id: int) -> Book | None:
    row = await book_row(book_id)
    return Book(**asdict(row)) if row else None


def who_asks(context: dict[str, Any]) -> str:
    return str(context["request"].headers.get("x-reader", "anonymous"))


@strawberry.type
class Query:
    @strawberry.field
    async def book(self, book_id: int) -> Book | None:
        return await find_book(book_id)

    @strawberry.field
    async def books(self) -> list[Book | None]:
        return [await find_book(book_id) for book_id in await book_ids()]

    @strawberry.field
    async def my_loans(self, info: strawberry.Info) -> list[Book | None]:
        reader = who_asks(info.context)
        return [await find_book(book_id) for book_id in await loaned_to(reader)]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename_book(self, book_id: int, title: str) -> Book | None:
        async with sessions.begin() as session:
            (await session.get_one(Books, book_id)).title = title
        return await find_book(book_id)

    @strawberry.mutation
    async def borrow(self, info: strawberry.Info, book_id: int) -> Book | None:
        reader = who_asks(info.context)
        async with sessions.begin() as session:
            session.add(Loans(book_id=book_id, reader=reader))
        return await find_book(book_id)


schema = strawberry.Schema(Query, Mutation)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncExitStack() as running:
        running.push_async_callback(engine.dispose)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield


app = Starlette(lifespan=lifespan)
app.mount("/graphql", GraphQL(schema))
