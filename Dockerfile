# The base of both stages. Pin it by digest where images are built for production:
# docker build --build-arg BASE=python:3.13-slim@sha256:… .
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements/setup.txt requirements/run.txt requirements/
RUN python -m venv --without-pip /opt/build \
    && pip --python /opt/build/bin/python install --no-cache-dir --no-deps --require-hashes \
        -r requirements/setup.txt \
    && python -m venv --without-pip /opt/gateway \
    && pip --python /opt/gateway/bin/python install --no-cache-dir --no-deps --require-hashes \
        -r requirements/run.txt
COPY pyproject.toml ./
COPY gateway gateway
COPY graphql/operations graphql/operations
RUN /opt/build/bin/hatchling build --target wheel --directory dist \
    && pip --python /opt/gateway/bin/python install --no-cache-dir --no-deps dist/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="narkasa-gateway" \
      org.opencontainers.image.description="A GraphQL gateway between a team's applications and the Narkasa crypto exchange"
COPY --from=build /opt/gateway /opt/gateway
# Inside a container the loopback address reaches nobody. Nothing is written to the file system.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NGW_HOST=0.0.0.0
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
WORKDIR /
EXPOSE 8000
ENTRYPOINT ["narkasa-gateway"]
CMD ["serve"]
