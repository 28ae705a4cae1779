# One image a layer: docker build --build-arg LAYER=process-apis -t orderway/process-apis .
# LAYER is system-apis, process-apis or experience-apis.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc g++ cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG LAYER
RUN test -n "$LAYER" || { echo "give --build-arg LAYER=system-apis|process-apis|experience-apis" >&2; exit 1; }
RUN cargo build --locked --profile dist --package "$LAYER" \
    && cp "target/dist/$LAYER" /layer \
    && mkdir /data

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /layer /usr/local/bin/layer
COPY --from=build /src/config /etc/orderway
COPY --from=build --chown=65532:65532 /data /var/lib/orderway
USER 65532:65532
WORKDIR /var/lib/orderway
ENTRYPOINT ["/usr/local/bin/layer", "--config-dir", "/etc/orderway"]
CMD ["serve"]
