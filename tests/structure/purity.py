"""The purity line: what the archives above it may not need from outside.

Invariant: it looks at undefined symbols, as the linker would, not at what a source says.
"""

import re
import subprocess

_NAMES = set("""
clock clock_gettime clock_nanosleep ftime gettimeofday nanosleep sleep time times usleep
drand48 getentropy getrandom lrand48 rand rand_r random srand srand48 srandom
arc4random arc4random_buf arc4random_uniform
access chdir close creat dup dup2 fdopen fopen fopen64 freopen fstat ftruncate ioctl lseek
mkdir open open64 openat opendir pread pread64 pwrite pwrite64 read readlink readv rename rmdir
stat tmpfile unlink write writev
fflush fgets fputc fputs fprintf fread fwrite perror printf putc putchar puts syslog vfprintf
vprintf vsyslog __fprintf_chk __printf_chk __vfprintf_chk __vprintf_chk __syslog_chk
stderr stdin stdout
accept accept4 bind connect getaddrinfo gethostbyname gethostname getsockopt listen recv recvfrom
recvmmsg recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket socketpair
epoll_create epoll_create1 epoll_ctl epoll_wait eventfd pipe pipe2 poll ppoll select timerfd_create
execl execv execve execvp fork popen posix_spawn posix_spawnp system vfork
pthread_create pthread_cond_wait sem_wait thrd_create
environ getenv putenv secure_getenv setenv unsetenv
exit _exit quick_exit raise kill syscall __assert_fail
""".split())

_PATTERNS = re.compile("|".join((
    r"^std::chrono::.*_clock::now\(",
    r"^std::random_device::",
    r"^std::thread::",
    r"^std::(?:condition_variable|__condvar)\b",
    r"^std::(?:cout|cerr|clog|cin|wcout|wcerr)\b",
    r"^std::ios_base::Init::",
    r"^std::(?:__basic_file|basic_filebuf|basic_[io]?fstream)\b",
    r"^std::filesystem::",
    r"^(?:vtable for )?(?:asio|spdlog)::",
    r"^fmt::v\d+::v?print",
)))


def undefined(archive):
    """The symbols, C++ names spelt out, that an archive's objects need from others."""
    listed = subprocess.run(["nm", "--undefined-only", "--demangle", archive], text=True,
                            capture_output=True, check=True, timeout=60).stdout
    return sorted({line.split(None, 1)[1].split("@")[0]
                   for line in listed.splitlines() if re.match(r"\s+[Uvw] ", line)})


def violations(folder, symbols):
    """The symbols that a folder above the line may not need."""
    found = [symbol for symbol in symbols if symbol in _NAMES or _PATTERNS.search(symbol)]
    if folder != "crypto":  # OpenSSL's random numbers reach the others through crypto::Provider
        found += [symbol for symbol in symbols if symbol.startswith("RAND_")]
    return found
