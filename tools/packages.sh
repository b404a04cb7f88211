# Debian packages that the steps of ./dev need, and their installation. Sourced by ./dev.
# Invariant: nothing is fetched when everything is there; no service is left running.

packages_of() {
  case "$1" in
    build) echo g++ cmake ninja-build ccache pkg-config libssl-dev libtomlplusplus-dev \
      libqrencode-dev libasio-dev libspdlog-dev libfmt-dev libcli11-dev libcpp-httplib-dev \
      nlohmann-json3-dev libmnl-dev libsqlite3-dev zlib1g-dev libgtest-dev libgmock-dev \
      libbenchmark-dev python3
      if [ "$(dpkg --print-architecture)" = amd64 ]; then echo libipsec-mb-dev; fi ;;
    peers) echo strongswan-swanctl charon-systemd strongswan-pki \
      libcharon-extra-plugins libcharon-extauth-plugins libstrongswan-extra-plugins \
      libstrongswan-standard-plugins \
      freeradius freeradius-utils openssl \
      nftables iproute2 iputils-ping iperf3 tcpdump tshark procps python3 ;;
    format) echo clang-format-19 ;;
    lint) echo clang-format-19 clang-tidy-19 python3 ;;
    vm) if [ "$(dpkg --print-architecture)" = amd64 ]; then echo qemu-system-x86 python3; fi ;;
    fuzz) echo clang-19 libclang-rt-19-dev ;;
    *) echo "packages_of: unknown group $1" >&2; return 2 ;;
  esac
}

missing_packages() {
  local group package
  for group in "$@"; do
    for package in $(packages_of "$group"); do
      [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
        echo "$package"
    done
  done | sort -u
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || {
    echo "dev: '$*' needs root; run ./dev as root once, or install sudo" >&2; return 1; }
  sudo "$@"
}

# Debian starts a service as soon as its package is there. While ours are installed, a policy
# forbids that, unless the machine has a policy of its own.
without_starting_services() {
  local policy=/usr/sbin/policy-rc.d status=0 ours=
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  as_root "$@" || status=$?
  if [ -n "$ours" ]; then as_root rm -f "$policy"; trap - EXIT; fi
  return "$status"
}

# The tests run charon and FreeRADIUS by themselves: system-wide ones would take their ports.
keep_off() {
  [ -d /run/systemd/system ] || return 0
  as_root systemctl disable --now "$1" >/dev/null 2>&1 || true
}

# ensure_packages GROUP...: installs what is missing of the groups, and says so.
ensure_packages() {
  local missing
  command -v dpkg-query >/dev/null || {
    echo "dev: this is not Debian; packages wanted: $(for g in "$@"; do packages_of "$g"; done)" >&2
    return 0; }
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  echo "dev: installing Debian packages:" $missing >&2
  as_root apt-get -q update >&2 || return 1
  without_starting_services env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends install $missing >&2 || return 1
  case " $(echo $missing) " in *' charon-systemd '*) keep_off strongswan.service ;; esac
  case " $(echo $missing) " in *' freeradius '*) keep_off freeradius.service ;; esac
}
