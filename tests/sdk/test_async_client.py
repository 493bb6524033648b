"""The asynchronous client: a day of a script, several requests at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from label_studio_sdk import AsyncLabelStudio

from tests.sdk.site import SENTIMENT, Site


def run(site: Site, workflow: Callable[[AsyncLabelStudio], Awaitable[None]], api_key: str | None = None) -> None:
    client = AsyncLabelStudio(base_url=site.url, api_key=api_key or site.tokens["alice"])
    client._client_wrapper.httpx_client.base_max_retries = 0
    with ThreadPoolExecutor(1) as thread:  # a browser of another test may have left a loop running in this one
        thread.submit(asyncio.run, workflow(client)).result()  # type: ignore[arg-type]


def test_a_project_from_creation_to_export(site: Site):
    async def workflow(ls: AsyncLabelStudio) -> None:
        project = await ls.projects.create(title="Asynchronous", label_config=SENTIMENT)
        await ls.projects.import_tasks(id=project.id, request=[{"text": f"text {n}"} for n in range(5)])
        tasks = [task async for task in await ls.tasks.list(project=project.id, page_size=2)]
        assert [task.data["text"] for task in tasks] == [f"text {n}" for n in range(5)]
        await asyncio.gather(*(ls.annotations.create(id=task.id, result=[], lead_time=1.0) for task in tasks))
        got = await ls.projects.get(id=project.id)
        assert (got.total_annotations_number, got.finished_task_number) == (5, 5)
        exported = await ls.projects.exports.as_json(project.id)
        assert sorted(len(task["annotations"]) for task in exported) == [1] * 5

    run(site, workflow)


@pytest.mark.own_database
def test_with_a_personal_access_token(site: Site):
    token = site.client("carol").tokens.create().token

    async def workflow(ls: AsyncLabelStudio) -> None:
        assert (await ls.users.whoami()).email == "carol@example.com"
        titles = [project.title async for project in await ls.projects.list()]
        assert "Review sentiment" in titles

    run(site, workflow, token)
