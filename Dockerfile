# The image holds the static binary and the certificates it checks servers with.
FROM alpine:3 AS certificates
RUN apk add --no-cache ca-certificates

FROM scratch
ARG TARGETPLATFORM
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY $TARGETPLATFORM/ssectl /ssectl
ENTRYPOINT ["/ssectl"]
