# The operator: one static program, no shell, no root. Beside it lie the engines that it brings to machines without one.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=unknown
ENV CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    mkdir -p /out/usr/lib/mantle /out/var/lib/mantle /out/tmp /out/etc/ssl/certs && \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags="-s -w -X main.version=$VERSION" -o /out/mantle . && \
    make cross BIN=/out/usr/lib/mantle VERSION=$VERSION && \
    cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ && \
    chown -R 65532:65532 /out/var/lib/mantle && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /out/ /
USER 65532:65532
EXPOSE 8081 8443
VOLUME /var/lib/mantle
ENTRYPOINT ["/mantle"]
