"""Twenty real leagues end in the tables that the definition gives."""

import asyncio

from redis.asyncio import Redis

from cache.leaderboard import Leaderboards, Options
from tests.support.boards import MemoryScores
from tests.support.football import final, league, leagues, play, table


async def test_the_final_tables_of_20_leagues(redis: Redis, key_prefix: str) -> None:
    played = leagues()
    boards = [league(slug) for slug in played]
    assert len(boards) == 20
    source = MemoryScores(*boards)
    processes = [Leaderboards(redis, source, key_prefix, Options()) for _ in range(2)]
    await asyncio.gather(*(play(processes, board, played[board.key]) for board in boards))
    for board in boards:
        for process in processes:
            assert await final(process, board) == table(played[board.key])
    for process in processes:
        await process.aclose()
