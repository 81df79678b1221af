# syntax=docker/dockerfile:1
# One static program on nothing else. To build it: docker build -t kvconnect .

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# SQLite is compiled in, and loads no extensions. Names of users and hosts are looked up by
# Go itself: the C library would want to load code for that.
RUN CGO_ENABLED=1 go build -trimpath \
      -tags netgo,osusergo,sqlite_omit_load_extension \
      -ldflags '-s -w -linkmode external -extldflags "-static"' \
      -o /image/kvconnect ./cmd/kvconnect
# Fails unless the program is static and runs.
RUN ! ldd /image/kvconnect && /image/kvconnect --version
# A volume takes the owner of the folder that it covers.
RUN mkdir -p /image/etc/ssl/certs /image/tmp && \
    install -d -m 0700 -o 65532 -g 65532 /image/data && \
    cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ && \
    chmod 1777 /image/tmp

# Where a volume belongs to root whatever it covers: docker build --target root
FROM scratch AS root
COPY --from=build /image/ /
ENV KVCONNECT_DATA_DIR=/data
VOLUME /data
# For programs, and for operators: the latter is not meant for the public.
EXPOSE 4512 4513
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s --retries=3 CMD ["/kvconnect", "health"]
ENTRYPOINT ["/kvconnect"]
CMD ["serve"]

FROM root
USER 65532:65532
