"""The addresses of the server."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import accounts, operations, views
from .api import api
from .sounds import router as sounds

api.add_router("", sounds)

urlpatterns = [
    path("", views.home, name="home"),
    path("demo", views.demo, name="demo"),
    path("songs/<uuid:song>", views.song_page, name="song"),
    path("songs/<uuid:song>/row", views.row, name="row"),
    path("songs/<uuid:song>/delete", views.delete_song, name="delete_song"),
    path("jobs/<uuid:job>/<slug:change>", views.change_job, name="change_job"),
    path("live", views.live, name="live"),
    path("login", LoginView.as_view(template_name="wavesep/login.html"), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("enter", accounts.enter, name="enter"),
    path("account", accounts.account, name="account"),
    path("account/tokens", accounts.add_token, name="add_token"),
    path("account/tokens/<int:token>/delete", accounts.delete_token, name="delete_token"),
    path("account/delete", accounts.delete_all, name="delete_all"),
    path("account/password", accounts.set_password, name="set_password"),
    path("account/invite", accounts.invite, name="invite"),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("healthz", operations.healthz),
    path("readyz", operations.readyz),
    path("metrics", operations.metrics),
    path("server", operations.server, name="server"),
]
