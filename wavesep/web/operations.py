"""What administrators and monitoring look at: health, metrics and the state of the server."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from django.contrib.admin.models import LogEntry
from django.contrib.auth.decorators import user_passes_test
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ..errors import StoreError
from . import storage
from .access import address_of, user_of_token
from .allowances import check_disk
from .figures import figures, registry
from .models import Job
from .problems import Problem

SHOWN = 20  # rows of each list


def healthz(_: HttpRequest) -> HttpResponse:
    """Tell that the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(_: HttpRequest) -> HttpResponse:
    """Tell whether songs can be taken: database and store answer, and the disk has room."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("the database cannot be reached\n", "text/plain", status=503)
    try:
        if storage.STORE:
            storage.STORE.check()
    except StoreError:
        return HttpResponse("the store cannot be reached\n", "text/plain", status=503)
    try:
        check_disk(0)
    except Problem:
        return HttpResponse("the disk is nearly full\n", "text/plain", status=503)
    return HttpResponse("ready\n", content_type="text/plain")


def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics for Prometheus, to this machine and to administrators."""
    if not may_see_metrics(request):
        return HttpResponse("send the token of an administrator\n", "text/plain", status=401)
    return HttpResponse(generate_latest(registry()), CONTENT_TYPE_LATEST)


def may_see_metrics(request: HttpRequest) -> bool:
    """Return whether a request comes from this machine or from an administrator."""
    with suppress(ValueError):
        if ipaddress.ip_address(address_of(request)).is_loopback:
            return True
    token = request.headers.get("Authorization", "").partition(" ")[2]
    user = user_of_token(token.strip()) if token else request.user
    return isinstance(user, User) and user.is_staff


def is_staff(user: object) -> bool:
    """Return whether somebody is an administrator."""
    return isinstance(user, User) and user.is_staff


@user_passes_test(is_staff)
def server(request: HttpRequest) -> HttpResponse:
    """Show the state of the server."""
    jobs = Job.objects.select_related("song", "owner")
    context = {
        "figures": figures(),
        "running": jobs.filter(state=Job.State.RUNNING)[:SHOWN],
        "failed": jobs.filter(state=Job.State.FAILED).order_by("-finished")[:SHOWN],
        "log": LogEntry.objects.select_related("user", "content_type")[:SHOWN],
    }
    return render(request, "wavesep/server.html", context)
