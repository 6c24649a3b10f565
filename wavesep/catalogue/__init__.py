"""Catalogues: any number of songs, separated exactly once, on one machine or on a cluster.

::

    manifest    which songs there are
    store       what is done: the output itself tells it
    song        separates one song
    job         the settings, the same for all songs
    worker      a process that separates one song after the other
    process     a worker as its overseer sees it
    overseer    starts a worker, ends it when it hangs, and tries songs again
    local       overseers on this machine
    ray_engine  overseers on a cluster
    run         the songs that are left, through one of these
    report      what a store holds
"""
