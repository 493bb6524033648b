"""A Redis connection that may write rq's keys: the counterpart of `redis_reading`, with a closed list of commands.

Everything is written in one MULTI/EXEC under WATCH, so a process that is killed leaves a change whole or undone. Keys
beside rq's own are refused before they leave the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.connection import ConnectionInterface
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from ..errors import Busy, ConsoleError, Refused, Unknown
from .redis_reading import READ_COMMANDS, NotReadOnly, ReadOnlyRedis

#: What is asked inside a transaction, before anything is written.
LOOK_COMMANDS = READ_COMMANDS | {"DUMP", "LPOS", "MEMORY USAGE", "PTTL", "ZSCORE"}
WRITE_COMMANDS = frozenset({
    "DEL", "EXPIRE", "HSET", "LINSERT", "LPUSH", "LREM", "PERSIST", "PUBLISH", "RESTORE", "RPUSH", "SADD", "SREM", "ZADD",
    "ZREM",
})  # fmt: skip
TRANSACTION_COMMANDS = ("WATCH", "UNWATCH", "MULTI", "EXEC", "DISCARD")

Command = tuple[Any, ...]


class BrokenOff(ConsoleError):
    """Redis went away after it was told to write: whether it did is found out by looking again."""

    status = 503


class WritingRedis(ReadOnlyRedis):
    """Reads as its parent does, and writes within `transaction()` alone. Prefix and address are the reader's."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One connection for one WATCH … EXEC. Raises Refused for what Redis will not do, Busy when it is away."""
        pool = self._client.connection_pool
        try:
            connection = pool.get_connection()
        except (RedisError, OSError) as error:
            raise self.not_written(error, "PING") from None
        transaction = Transaction(self, connection)
        try:
            yield transaction
        except BaseException:
            connection.disconnect()  # takes WATCH and MULTI with it
            raise
        else:
            transaction.forget()
        finally:
            pool.release(connection)

    def not_written(self, error: BaseException, command: str) -> ConsoleError:
        """What a failure before EXEC means: nothing was written."""
        said = str(error)
        refused = f"Nothing was written: Redis at {self._where}"
        if isinstance(error, NoPermissionError):
            return Refused(f"{refused} does not let user {self._user} send {command}. Give it: {self.grant()}")
        if "READONLY" in said or "read only replica" in said:
            return Refused(f"{refused} is a read-only replica. Name its primary in LSCONSOLE_FIX_REDIS_URL.")
        if "OOM" in said or "maxmemory" in said:
            return Refused(f"{refused} is full (maxmemory). Give it more memory, or delete finished jobs.")
        if "MISCONF" in said:
            return Refused(f"{refused} takes no writes because it cannot save to its disk; its log says why.")
        return Busy(f"Nothing was written: Redis at {self._where} {self._reason(_as_exception(error), command)}")

    def broken_off(self, error: BaseException) -> BrokenOff:
        return BrokenOff(
            f"While jobs were written, Redis at {self._where} {self._reason(_as_exception(error), 'EXEC')}"
        )

    def grant(self) -> str:
        """The statement that lets our user do all that this module may send."""
        commands = " ".join(f"+{name.lower().replace(' ', '|')}" for name in sorted(WRITE_COMMANDS | LOOK_COMMANDS))
        more = " ".join(f"+{name.lower()}" for name in TRANSACTION_COMMANDS)
        return f"ACL SETUSER {self._user} {commands} {more} ~{self._prefix}:* &{self._prefix}:pubsub:*"

    def check(self, command: Command) -> None:
        """Raises NotReadOnly for a command or a key that is not ours to write: a mistake of ours."""
        if command[0] not in WRITE_COMMANDS:
            raise NotReadOnly(f"{str(command[0])[:40]} is not among the commands that write to queues")
        keys = command[1:] if command[0] == "DEL" else command[1:2]
        lead = f"{self._prefix}:".encode()
        if not keys or not all(isinstance(key, bytes) and key.startswith(lead) for key in keys):
            raise NotReadOnly(f"{command[0]} may touch keys of rq alone")


class Transaction:
    """`watch` keys, `ask` about them, `commit` what follows; commands are raw and answers undecoded."""

    def __init__(self, redis: WritingRedis, connection: ConnectionInterface) -> None:
        self._redis, self._connection = redis, connection
        self._watching = False

    def watch(self, keys: Sequence[bytes]) -> None:
        """From now on `commit` writes only when nobody else has touched these keys. Earlier watches are dropped."""
        self.forget()
        if keys:
            self._watching = True
            self._one(("WATCH", *keys))

    def forget(self) -> None:
        if self._watching:
            self._watching = False
            self._one(("UNWATCH",))

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Answers in order, in one round trip; a key of the wrong type leaves its error in its place."""
        for command in commands:
            if command[0] not in LOOK_COMMANDS:
                raise NotReadOnly(f"{str(command[0])[:40]} is not among the commands that only look")
        answers = self._send(commands)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, NoPermissionError):
                raise self._redis.not_written(answer, command[0])
        return answers

    def commit(self, commands: Sequence[Command]) -> bool:
        """Write all or nothing; False when a watched key changed. Raises BrokenOff when the outcome is not known."""
        for command in commands:
            self._redis.check(command)
        queued = self._send([("MULTI",), *commands])
        for command, answer in zip(commands, queued[1:], strict=True):
            if isinstance(answer, Exception):
                raise self._redis.not_written(answer, command[0])
        self._watching = False
        try:
            self._connection.send_command("EXEC")
            answers = self._connection.read_response()
        except ResponseError as error:
            raise self._redis.not_written(error, "EXEC") from None
        except (RedisError, OSError) as error:
            raise self._redis.broken_off(error) from None
        if answers is None:
            return False
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Exception):
                raise BrokenOff(f"Redis refused {command[0]} in the middle of a change: {str(answer)[:200]}")
        return True

    def _one(self, command: Command) -> Any:
        [answer] = self._send([command])
        if isinstance(answer, Exception):
            raise self._redis.not_written(answer, command[0])
        return answer

    def _send(self, commands: Sequence[Command]) -> list[Any]:
        """One round trip. Error answers stand in their places; a broken connection raises."""
        if not commands:
            return []
        answers: list[Any] = []
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
            for _ in commands:
                try:
                    answers.append(self._connection.read_response())
                except ResponseError as error:
                    answers.append(error)
        except (RedisError, OSError) as error:
            raise self._redis.not_written(error, commands[0][0]) from None
        return answers


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else Unknown(str(error))
