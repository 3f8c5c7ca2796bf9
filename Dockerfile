# One image for every program of ours; docker-compose.yml says which runs where.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/build && python -m venv --without-pip /opt/cks
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN /opt/build/bin/pip install --require-hashes -r requirements/build.txt && \
    /opt/build/bin/pip --python /opt/cks/bin/python install --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md worker.py ./
COPY activities activities
COPY api api
COPY cks cks
COPY workflows workflows
# What is compiled here is what each run of a workflow imports.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/build/wheels . && \
    /opt/build/bin/pip --python /opt/cks/bin/python install --no-deps --compile /opt/build/wheels/*.whl

FROM python:3.11.14-slim-bookworm
ARG CKS_BUILD_ID=""
LABEL org.opencontainers.image.title="CKS control plane" \
      org.opencontainers.image.revision="${CKS_BUILD_ID}"
COPY --from=build /opt/cks /opt/cks
ENV PATH="/opt/cks/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# The simulated cloud's file; nothing else of ours writes to a disk.
RUN install --directory --owner=10001 --group=10001 /var/lib/cks
WORKDIR /var/lib/cks
USER 10001:10001
CMD ["python", "-m", "api"]
