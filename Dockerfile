# One image for web, worker, beat, flower and migrations; the command decides.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY requirements/production.txt requirements/
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/production.txt
COPY requirements/build.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY billing_worker billing_worker
COPY tasks tasks
RUN /opt/build/bin/python -m hatchling build --target wheel \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.12-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin billing
COPY --from=build /opt/venv /opt/venv
USER 10001
WORKDIR /tmp
CMD ["billing-worker", "web", "--host", "0.0.0.0"]
