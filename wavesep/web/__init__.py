"""The web application behind ``wavesep serve``: songs, jobs, workers and their interface.

Django is imported only here and by the commands that start it. Everything that lasts is in the
database and in the data folder; see `wavesep.web.jobs` for the life of a job.
"""
