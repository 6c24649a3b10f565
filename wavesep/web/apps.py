"""Django's entry for this package."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The web application of wavesep."""

    name = "wavesep.web"
    label = "web"
    default_auto_field = "django.db.models.BigAutoField"
