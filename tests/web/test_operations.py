"""What administrators do and see: allowances, retention, jobs of others, metrics, health."""

from __future__ import annotations

import os
import re
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from wavesep.web import access, allowances, figures, jobs, retention, settings, songs, storage
from wavesep.web.models import Allowance, Invitation, Job, Song
from wavesep.web.problems import Problem
from wavesep.web.submissions import separating_models, submit

from .conftest import CONFIG, DATA, new_job


@pytest.fixture
def admin() -> Client:
    user = User.objects.create_superuser("root")
    client = Client(headers={"Host": "localhost"})
    client.force_login(user)
    return client


def ready_song(owner: User, seconds: float = 10.0) -> Song:
    """Return a song with a file, without a job."""
    job = new_job(owner, seconds)
    song = job.song
    job.delete()
    storage.song_path(song.pk).parent.mkdir(parents=True, exist_ok=True)
    storage.song_path(song.pk).write_bytes(b"audio")
    return song


@pytest.mark.parametrize("allowed", [25.0, None])
def test_seconds_of_a_day_are_counted(owner: User, allowed: float | None) -> None:
    Allowance.objects.create(user=owner, seconds_a_day=allowed)
    submit(owner, ready_song(owner), CONFIG.model, "wav")
    jobs.claim("a worker")
    submit(owner, ready_song(owner), CONFIG.model, "wav")
    assert allowances.seconds_today(owner) == 20.0
    if allowed is None:
        submit(owner, ready_song(owner), CONFIG.model, "wav")
        return
    with pytest.raises(Problem) as refused:
        submit(owner, ready_song(owner), CONFIG.model, "wav")
    assert (refused.value.status, refused.value.code) == (429, "quota")
    assert 0 < int(refused.value.headers["Retry-After"]) <= 86_400


def test_bytes_jobs_and_days_have_limits(owner: User) -> None:
    Allowance.objects.create(user=owner, most_bytes=1_000, most_waiting=1, days_kept=2)
    song = songs.begin_upload(owner, "a", 600)
    assert timedelta(days=1.9) < song.expires - timezone.now() < timedelta(days=2)
    with pytest.raises(Problem, match="your songs may have 1,000 bytes"):
        songs.begin_upload(owner, "b", 401)
    songs.begin_upload(owner, "b", 400)
    submit(owner, ready_song(owner), CONFIG.model, "wav")
    with pytest.raises(Problem, match="1 of your jobs wait"):
        submit(owner, ready_song(owner), CONFIG.model, "wav")


def test_the_same_request_returns_its_job_although_the_queue_is_full(owner: User) -> None:
    Allowance.objects.create(user=owner, most_waiting=1)
    song = ready_song(owner)
    first = submit(owner, song, CONFIG.model, "wav", "a key")
    assert submit(owner, song, CONFIG.model, "wav", "a key") == first


def test_a_full_disk_takes_no_song(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    full = CONFIG.__class__(**{**vars(CONFIG), "least_free": 10**18})
    monkeypatch.setattr(allowances, "CONFIG", full)
    with pytest.raises(Problem) as refused:
        songs.begin_upload(owner, "a", 1)
    assert (refused.value.status, refused.value.code) == (507, "disk_full")


def test_models_that_detect_are_not_offered() -> None:
    assert "vocals" in separating_models()
    assert "vocal_activity" not in separating_models()


def test_what_has_expired_is_deleted_unless_it_is_needed(owner: User) -> None:
    old, waits, kept = ready_song(owner), ready_song(owner), ready_song(owner)
    past = timezone.now() - timedelta(seconds=1)
    Song.objects.filter(pk__in=[old.pk, waits.pk]).update(expires=past)
    submit(owner, waits, CONFIG.model, "wav")
    abandoned = songs.begin_upload(owner, "never sent", 10)
    Song.objects.filter(pk=abandoned.pk).update(created=past - timedelta(days=1))
    access.new_invitation(None)
    Invitation.objects.update(expires=past)
    orphan = DATA / "stems" / str(uuid4())
    (orphan / "1").mkdir(parents=True)
    young = DATA / "songs" / str(uuid4())
    young.touch()
    os.utime(orphan, (time.time() - 7_200,) * 2)

    assert retention.sweep() == 2
    assert set(Song.objects.all()) == {waits, kept}
    there = [path.name for path in (DATA / "songs").iterdir()]
    assert sorted(there) == sorted([str(waits.pk), str(kept.pk), young.name])
    assert not orphan.exists()
    assert not Invitation.objects.exists()


def test_administrators_cancel_retry_and_delete_jobs_of_others(admin: Client, owner: User) -> None:
    job = new_job(owner)
    path = "/admin/web/job/"
    storage.job_folder(job.pk).mkdir(parents=True)

    def act(action: str) -> None:
        form = {"action": action, "_selected_action": str(job.pk), "post": "yes"}
        assert admin.post(path, form).status_code == 302
        if action != "delete_selected":
            job.refresh_from_db()

    act("cancel")
    assert job.state == Job.State.CANCELLED
    act("retry")
    assert job.state == Job.State.QUEUED
    act("delete_selected")
    assert not Job.objects.exists()
    assert not storage.job_folder(job.pk).exists()
    told = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert told[:2] == ["cancelled", "queued again"]


@pytest.mark.parametrize("path", ["/server", "/admin/", "/admin/web/job/", "/admin/auth/user/"])
def test_only_administrators_see_the_server(admin: Client, owner: User, path: str) -> None:
    new_job(owner)
    assert admin.get(path).status_code == 200
    other = Client(headers={"Host": "localhost"})
    other.force_login(owner)
    assert other.get(path).status_code == 302


def test_invitations_are_recorded_and_make_accounts_once(admin: Client) -> None:
    page = admin.post("/account/invite").content.decode()
    link = re.findall(r"enter\?key=[\w-]+", page)[0]
    form = {"username": "eve", "password1": "long enough 99", "password2": "long enough 99"}
    visitor = Client(headers={"Host": "localhost"})
    assert visitor.post(f"/{link}", {"username": ""}).status_code == 200  # not used up
    assert visitor.post(f"/{link}", form).status_code == 302
    assert visitor.get("/").status_code == 200
    assert Client(headers={"Host": "localhost"}).get(f"/{link}").status_code == 410
    assert LogEntry.objects.count() == 1


def test_ten_wrong_passwords_lock_a_name_for_an_address(owner: User) -> None:
    owner.set_password("right one 1")
    owner.save()

    def try_in(password: str, address: str = "192.0.2.1") -> bool:
        client = Client(headers={"Host": "localhost"}, REMOTE_ADDR=address)
        form = {"username": owner.username, "password": password}
        return client.post("/login", form).status_code == 302

    assert try_in("right one 1")
    assert not any(try_in("wrong") for _ in range(10))
    assert not try_in("right one 1")
    assert try_in("right one 1", "192.0.2.2")


def test_metrics_count_and_are_for_this_machine_and_administrators(owner: User) -> None:
    new_job(owner)

    def ask(address: str, **headers: str) -> Any:
        return Client(headers={"Host": "localhost"} | headers, REMOTE_ADDR=address).get("/metrics")

    content = ask("127.0.0.1").content.decode()
    assert 'wavesep_jobs{state="queued"} 1.0' in content
    assert "process_resident_memory_bytes" in content
    assert ask("192.0.2.1").status_code == 401
    token = access.new_token(owner, "monitoring")
    assert ask("192.0.2.1", Authorization=f"Bearer {token}").status_code == 401
    owner.is_staff = True
    owner.save()
    assert ask("192.0.2.1", Authorization=f"Bearer {token}").status_code == 200


def test_readiness_depends_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(headers={"Host": "localhost"})
    assert client.get("/readyz").content == b"ready\n"
    monkeypatch.setattr(
        "wavesep.web.allowances.CONFIG",
        CONFIG.__class__(**{**vars(CONFIG), "least_free": 10**18}),
    )
    assert client.get("/readyz").status_code == 503


def test_the_speed_is_that_of_the_last_jobs(owner: User) -> None:
    now = timezone.now()
    assert figures.speed() is None
    for seconds in (10.0, 30.0):
        job = new_job(owner, seconds)
        begun = now - timedelta(seconds=2)
        Job.objects.filter(pk=job.pk).update(state="done", started=begun, finished=now)
    assert figures.speed() == pytest.approx(10.0)
    assert figures.figures().jobs["done"] == 2


def test_the_server_knows_no_other_host(owner: User) -> None:
    del owner
    assert "attacker.example" not in settings.ALLOWED_HOSTS
    assert Client(headers={"Host": "attacker.example"}).get("/healthz").status_code == 400


def test_a_form_without_its_fields_is_refused(owner: User) -> None:
    client = Client(headers={"Host": "localhost"}, raise_request_exception=False)
    client.force_login(owner)
    assert client.post(f"/songs/{ready_song(owner).pk}").status_code == 422
