"""A client of a server that ``wavesep serve`` runs: songs are separated there.

::

    from wavesep.remote import Client

    Client("https://stems.example.org", token).separate("song.mp3")

What fails for a reason that may pass is tried again for up to two minutes: the connection is lost,
or the server is restarted or busy. Uploads and downloads then go on where they ended.
"""

from .client import Client as Client
