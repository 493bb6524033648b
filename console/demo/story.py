"""What a demo deployment tells: who can sign in, what is wrong on purpose, and what is right beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Person:
    """An account to sign in with; `token` is its Label Studio API token."""

    email: str
    password: str
    role: str
    token: str


@dataclass(frozen=True)
class PlantedFault:
    """A fault the check `code` must find at `subject` (`kind:id`, storages as `storage:s3:4`)."""

    code: str
    subject: str
    explanation: str


@dataclass(frozen=True)
class HealthyTwin:
    """Something that looks like the fault of `code` and is none: the check stays silent about `subject`."""

    code: str
    subject: str
    explanation: str


@dataclass
class Story:
    """Collected while planting."""

    people: list[Person] = field(default_factory=list)
    faults: list[PlantedFault] = field(default_factory=list)
    twins: list[HealthyTwin] = field(default_factory=list)

    def fault(self, code: str, subject: str, explanation: str) -> None:
        """Note a planted fault."""
        self.faults.append(PlantedFault(code, subject, explanation))

    def twin(self, code: str, subject: str, explanation: str) -> None:
        """Note a healthy twin."""
        self.twins.append(HealthyTwin(code, subject, explanation))

    def save(self, path: Path) -> None:
        """Write the story where only its owner reads it: it holds the passwords."""
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Story:
        """Read what `save` wrote."""
        stored = json.loads(path.read_text())
        return cls(
            [Person(**person) for person in stored["people"]],
            [PlantedFault(**fault) for fault in stored["faults"]],
            [HealthyTwin(**twin) for twin in stored["twins"]],
        )
