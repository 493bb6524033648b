"""Runs checks: several at a time, each within its budget. One that hangs or crashes delays and hides nothing."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from ..deployment import Deployment
from ..errors import ConsoleError, NotApplicable, Unknown
from ..masking import mask_text
from .check import EVIDENCE_ROWS, Check, Context, Finding, Scope
from .probes import BucketProbes
from .report import CheckResult, Report, describe

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


def _quiet(done: int, total: int, label: str) -> None:
    """No progress wanted."""


@dataclass
class _Running:
    check: Check
    ctx: Context
    budget_seconds: float
    started: float = field(default_factory=time.monotonic)


def run_checks(
    deployment: Deployment,
    checks: Sequence[Check],
    *,
    scope: Scope | None = None,
    deep: bool = False,
    progress: Progress = _quiet,
    cancelled: Callable[[], bool] = lambda: False,
    evidence_limit: int = EVIDENCE_ROWS,
    about: bool = True,
) -> Report:
    """Ask every check once and return all answers.

    With a scope, checks that cannot be narrowed that way are left out. `progress(done, total, label)` is called as
    checks begin and end; once `cancelled()` says so, the answers there are make the report. Never raises for what a check does.
    """
    scope = scope or Scope()
    wanted = [check for check in checks if scope.words <= check.scopes]
    report = Report(run_id=uuid.uuid4().hex[:16], started_at=datetime.now(UTC), deployment={}, scope=scope)
    probes = BucketProbes(deployment, deep=deep)
    waiting, answers = list(wanted), queue.SimpleQueue[CheckResult]()
    running: dict[str, _Running] = {}
    results: dict[str, CheckResult] = {}
    total = len(wanted)
    try:
        while waiting or running:
            if cancelled():
                report.cancelled = True  # what still runs is left behind: its threads end by themselves
                break
            while waiting and len(running) < deployment.settings.checks_at_a_time:
                item = _start(waiting.pop(0), deployment, probes, scope, deep, evidence_limit, answers)
                running[item.check.code] = item
            progress(len(results), total, _now(running))
            for result in _collect(answers, running):
                results[result.code] = result
        progress(len(results), total, "")
    finally:
        probes.close()
    report.results = [results[check.code] for check in wanted if check.code in results]
    report.covered = probes.seen_storages
    if about:
        report.deployment = describe(deployment)
    report.finished_at = datetime.now(UTC)
    return report


def _start(
    check: Check, deployment: Deployment, probes: BucketProbes, scope: Scope, deep: bool, evidence_limit: int,
    answers: queue.SimpleQueue[CheckResult],
) -> _Running:  # fmt: skip
    ctx = Context(deployment, probes, scope=scope, deep=deep, evidence_limit=evidence_limit)
    budget = check.budget_seconds or deployment.settings.check_budget_seconds
    if deep:
        budget *= 60
    # A daemon thread: a check that never ends must not keep the process from ending.
    threading.Thread(
        target=lambda: answers.put(ask(check, ctx)), name=f"check {check.code}", daemon=True
    ).start()  # fmt: skip
    return _Running(check, ctx, budget)


def _collect(answers: queue.SimpleQueue[CheckResult], running: dict[str, _Running]) -> list[CheckResult]:
    """What arrived within half a second, and a verdict for every check that is over its budget."""
    found: list[CheckResult] = []
    try:
        result = answers.get(timeout=0.5)
        while True:
            if running.pop(result.code, None):  # an answer after the budget comes too late
                found.append(result)
            result = answers.get_nowait()
    except queue.Empty:
        pass
    for item in list(running.values()):
        spent = time.monotonic() - item.started
        if spent > item.budget_seconds:
            del running[item.check.code]
            reason = f"Did not finish within {item.budget_seconds:.0f} s. Raise LSCONSOLE_CHECK_BUDGET_SECONDS or narrow the run."
            found.append(CheckResult(item.check.code, "unknown", reason, spent))
    return found


def ask(check: Check, ctx: Context) -> CheckResult:
    """One check's outcome; every exception becomes one of the five."""
    started = time.monotonic()
    result = CheckResult(check.code, "pass")
    try:
        for item in check.answers(ctx):
            if isinstance(item, Finding):
                result.findings.append(item)
            else:
                result.undecided.append(str(item))
    except NotApplicable as error:
        result.outcome, result.reason = "not_applicable", str(error)
    except Unknown as error:
        result.undecided.append(str(error))
    except ConsoleError as error:
        result.outcome, result.reason = "crashed", str(error)
    except SQLAlchemyError as error:
        known = ctx.deployment.explain(error)
        if isinstance(known, NotApplicable):
            result.outcome, result.reason = "not_applicable", str(known)
        elif known is not None:
            result.undecided.append(str(known))
        else:
            _crashed(result, error)
    except Exception as error:
        _crashed(result, error)
    finally:
        try:
            ctx.close()
        except Exception:
            log.exception("closing the transaction of %s", check.code)
    if result.outcome == "pass" and (result.findings or result.undecided):
        result.outcome = "findings" if result.findings else "unknown"
    if result.undecided:
        result.reason = " ".join([result.reason, *result.undecided]).strip()
    result.duration_seconds = time.monotonic() - started
    return result


def _crashed(result: CheckResult, error: Exception) -> None:
    log.error("check %s stopped", result.code, exc_info=error)
    result.outcome = "crashed"
    told = f"{type(error).__name__}: {mask_text(str(error))[:300]}"
    result.reason = f"The check stopped with an error of its own ({told}); this says nothing about the deployment."


def _now(running: dict[str, _Running]) -> str:
    return ", ".join(running)
