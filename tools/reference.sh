#!/bin/sh
# Fetches the files of the reference page from npm, as SHA256SUMS has them.  For a newer version,
# change it here, run this, look at what it brings, and write SHA256SUMS anew.
set -eu
version=5.35.0
cd "$(dirname "$0")/../api/reference/vendored"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
npm pack --silent --pack-destination "$folder" "swagger-ui-dist@$version" > "$folder/name"
tar xzf "$folder/$(cat "$folder/name")" -C "$folder"
awk '{ print $2 }' SHA256SUMS | while read -r file; do cp "$folder/package/$file" .; done
sha256sum --check --quiet SHA256SUMS
