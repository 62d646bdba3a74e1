#!/bin/sh
# Lays out in /image a root with the named programs, the libraries that they load, and nothing else.
#
#   minimal-root.sh [--busybox] /path/in/the/image=/path/here ...
#
# The official images of Prometheus' programs are such roots: a shell and a few tools from busybox,
# or no tool at all.
set -eu

copy_with_libraries() {
    install -D -m 0755 "$2" "/image$1"
    # ldd prints "name => /path (address)" or "/path (address)"; a static program has no paths.
    { ldd "$2" 2>/dev/null || true; } | grep -o '/[^ ]*' | sort -u | while read -r library; do
        [ -e "/image$library" ] || install -D -m 0755 "$(readlink -f "$library")" "/image$library"
    done
}

mkdir -p /image/etc/ssl/certs /image/usr/share
cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/
cp -a /usr/share/zoneinfo /image/usr/share/
install -d -m 1777 /image/tmp
printf 'root:x:0:\nnobody:x:65534:\n' > /image/etc/group
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' > /image/etc/passwd

if [ "${1:-}" = --busybox ]; then
    shift
    install -D -m 0755 /usr/bin/busybox /image/bin/busybox
    for applet in $(/usr/bin/busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "/image/bin/$applet"
    done
fi

for pair in "$@"; do
    copy_with_libraries "${pair%%=*}" "${pair#*=}"
done
