"""Uses the rq that this interpreter has: one JSON request a line on standard input, one JSON answer a line back.

Started by `tests.rq_releases.Library`. It must run under every release from 1.10 on.
"""

import datetime
import importlib
import json
import sys

import redis
import rq
from rq.job import Job
from rq.serializers import JSONSerializer


class Library:
    def __init__(self, url):
        self.connection = redis.Redis.from_url(url)

    def versions(self):
        return [rq.VERSION, redis.__version__]

    def enqueue(self, queue, function, args, kwargs, json_serializer=False, in_seconds=None, retry=None, **options):
        """Returns the job's id. `options` are rq's own: depends_on, job_id, job_timeout, result_ttl, meta, ..."""
        into = rq.Queue(queue, connection=self.connection, serializer=JSONSerializer if json_serializer else None)
        if retry is not None:
            options["retry"] = rq.Retry(max=retry["max"], interval=retry.get("interval", 0))
        if isinstance(options.get("depends_on"), str):
            options["depends_on"] = self._job(options["depends_on"], json_serializer)
        if in_seconds is not None:
            return into.enqueue_in(datetime.timedelta(seconds=in_seconds), function, *args, **kwargs, **options).id
        return into.enqueue(function, args=tuple(args), kwargs=kwargs, **options).id

    def status(self, job_id, json_serializer=False):
        status = self._job(job_id, json_serializer).get_status()
        return getattr(status, "value", status)

    def result(self, job_id, json_serializer=False):
        job = self._job(job_id, json_serializer)
        return job.return_value() if callable(getattr(job, "return_value", None)) else job.result

    def cancel(self, job_id, json_serializer=False):
        self._job(job_id, json_serializer).cancel()

    def requeue(self, job_id, json_serializer=False):
        self._job(job_id, json_serializer).requeue()

    def workers(self):
        return sorted(worker.name for worker in rq.Worker.all(connection=self.connection))

    def suspend(self):
        importlib.import_module("rq.suspension").suspend(self.connection)

    def resume(self):
        importlib.import_module("rq.suspension").resume(self.connection)

    def _job(self, job_id, json_serializer):
        serializer = JSONSerializer if json_serializer else None
        return Job.fetch(job_id, connection=self.connection, serializer=serializer)


def main():
    library = Library(sys.argv[1])
    for line in sys.stdin:
        name, args, kwargs = json.loads(line)
        try:
            answer = {"value": getattr(library, name)(*args, **kwargs)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
