"""The life of a job: who may change it, and that none is lost or run twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from wavesep.web import jobs
from wavesep.web.jobs import LEASE, MOST_ATTEMPTS, Order
from wavesep.web.models import Job, Stem

from .conftest import new_job

ENDED = {Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED}


def claimed(worker: str = "w") -> Job:
    """Claim a job that must be there."""
    job = jobs.claim(worker)
    assert job is not None
    return job


def lapse() -> None:
    """Let every lease lapse, and sweep."""
    jobs.sweep(timezone.now() + 2 * LEASE)


def stems_of(job: Job) -> list[Stem]:
    """Two stems to publish."""
    about: dict[str, Any] = {"sample_rate": 44_100, "channels": 2, "samples": 9, "bytes": 1}
    return [
        Stem(job=job, source=source, file=f"{source}.flac", sha256="0" * 64, **about)
        for source in ("vocals", "accompaniment")
    ]


def test_jobs_are_claimed_once_the_oldest_first(owner: User) -> None:
    first, second = new_job(owner), new_job(owner)

    assert [claimed("a").pk, claimed("b").pk] == [first.pk, second.pk]
    assert jobs.claim("c") is None


def test_the_owner_who_used_least_today_comes_first(owner: User) -> None:
    other = User.objects.create_user("bob")
    for _ in range(3):
        new_job(owner, seconds=100)
    late = new_job(other, seconds=500)

    assert claimed().owner == owner
    assert claimed() == late
    assert claimed().owner == owner  # 100 s to 500 s


def test_a_higher_priority_comes_first(owner: User) -> None:
    new_job(owner)
    urgent = new_job(owner, priority=1)

    assert claimed() == urgent


def test_a_worker_that_wakes_too_late_changes_nothing(owner: User) -> None:
    new_job(owner)
    frozen = claimed("frozen")
    lapse()
    successor = claimed("successor")

    assert jobs.renew(frozen, 1, 2) is Order.LOST
    assert not jobs.finish(frozen, stems_of(frozen), done=9, gain_db=0)
    assert not jobs.fail(frozen, "crashed", "")
    assert not jobs.hand_back(frozen)
    assert not jobs.end_cancelled(frozen)
    assert not Stem.objects.exists()
    assert jobs.finish(successor, stems_of(successor), done=9, gain_db=-1.5)
    successor.refresh_from_db()
    assert (successor.state, successor.gain_db, successor.attempt) == (Job.State.DONE, -1.5, 2)
    assert Stem.objects.filter(job=successor).count() == 2


def test_a_song_that_kills_its_worker_three_times_fails(owner: User) -> None:
    job = new_job(owner)
    for _ in range(MOST_ATTEMPTS):
        claimed()
        lapse()

    assert jobs.claim("w") is None
    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.FAILED, "crashed")
    assert jobs.retry(job)
    assert claimed().attempt == 1


def test_a_lease_that_is_renewed_does_not_lapse(owner: User) -> None:
    new_job(owner)
    job = claimed()
    Job.objects.update(lease_until=timezone.now() + timedelta(seconds=0.01))
    assert jobs.renew(job, 5, 10) is Order.GO_ON

    assert jobs.sweep(timezone.now() + LEASE / 2) == 0
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (Job.State.RUNNING, 5, 10)


def test_a_cancelled_job_ends(owner: User) -> None:
    waiting, running = new_job(owner), new_job(owner)
    jobs.cancel(waiting)
    waiting.refresh_from_db()
    assert waiting.state == Job.State.CANCELLED

    job = claimed()
    assert job == running
    jobs.cancel(job)
    assert jobs.renew(job, 1, 2) is Order.CANCEL
    assert jobs.hand_back(job)  # also if its worker stops at the same time
    running.refresh_from_db()
    assert running.state == Job.State.CANCELLED


def test_a_dead_worker_s_cancelled_job_is_not_run_again(owner: User) -> None:
    new_job(owner)
    job = claimed()
    jobs.cancel(job)
    lapse()

    assert jobs.claim("w") is None


class Life(RuleBasedStateMachine):
    """Workers that claim, die, freeze and wake in any order, and an owner who interferes."""

    held = Bundle("held")  # the jobs that workers believe to hold, rightly or not

    def __init__(self) -> None:
        super().__init__()
        User.objects.all().delete()
        self.owner = User.objects.create_user("ada")
        self.published: dict[UUID, int] = {}
        self.versions: dict[UUID, int] = {}

    @rule()
    def ask(self) -> None:
        if Job.objects.count() < 4:
            new_job(self.owner)

    @rule(target=held, worker=st.sampled_from("ab"))
    def claim(self, worker: str) -> Any:
        job = jobs.claim(worker)
        if job is None:
            return multiple()
        assert job.attempt <= MOST_ATTEMPTS
        return job

    @rule(job=held, how=st.sampled_from(["renew", "fail", "hand_back", "finish"]))
    def change(self, job: Job, how: str) -> None:
        row = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).first()
        is_holder = row is not None and (row.worker, row.attempt) == (job.worker, job.attempt)
        if how == "renew":
            assert (jobs.renew(job, 1, 2) is not Order.LOST) == is_holder
        elif how == "fail":
            assert jobs.fail(job, "x", "y") == is_holder
        elif how == "hand_back":
            assert jobs.hand_back(job) == is_holder
        else:
            assert jobs.finish(job, stems_of(job), done=9, gain_db=0) == is_holder
            self.published[job.pk] = self.published.get(job.pk, 0) + is_holder

    @rule()
    def lapse(self) -> None:
        lapse()

    @rule(i=st.integers(0, 3), how=st.sampled_from(["cancel", "retry"]))
    def interfere(self, i: int, how: str) -> None:
        found = Job.objects.all()[i : i + 1]
        for job in found:
            getattr(jobs, how)(job)

    @invariant()
    def nothing_is_lost_or_published_twice(self) -> None:
        for job in Job.objects.all():
            assert job.version >= self.versions.get(job.pk, 0)
            self.versions[job.pk] = job.version
            published = self.published.get(job.pk, 0)
            assert published == (job.state == Job.State.DONE)
            assert job.stems.count() == 2 * published
            assert (job.lease_until is not None) == (job.state == Job.State.RUNNING)
            assert (job.finished is not None) == (job.state in ENDED)

    def teardown(self) -> None:
        for _ in range(4 * MOST_ATTEMPTS):  # healthy workers end what is left
            lapse()
            if job := jobs.claim("healthy"):
                jobs.finish(job, stems_of(job), done=9, gain_db=0)
        assert {job.state for job in Job.objects.all()} <= ENDED


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=12, stateful_step_count=40, deadline=None)
