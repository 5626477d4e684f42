/* A file system that fails on request: preloaded, it stands before libc's calls.

   arm(op, path, nth, deed, arg): at the nth call of `op` on a path that holds `path`, do `deed`.
   op: w write, r rename, u unlink, m mkdir, s fsync. deed: 'k' kill before the call, 'K' after it
   (a write is cut in half), 'e' fail with errno arg from then on, 's' sleep arg ms at every call.
   Build: cc -shared -fPIC -o faulty_io.so faulty_io.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char op, deed, part[PATH_MAX];
static int nth, arg, seen;

void arm(char o, const char *p, int n, char d, int a) {
  strncpy(part, p, sizeof part - 1);
  nth = n, deed = d, arg = a, seen = 0, op = o;
}

int armed_calls(void) { return seen; }

static const char *full(int fd, const char *name, char *buffer) {
  char link[64];
  ssize_t n;
  if (name && (name[0] == '/' || fd == AT_FDCWD)) return name;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink(link, buffer, PATH_MAX - 1);
  buffer[n < 0 ? 0 : n] = 0;
  if (name) { strncat(buffer, "/", PATH_MAX - strlen(buffer) - 1);
              strncat(buffer, name, PATH_MAX - strlen(buffer) - 1); }
  return buffer;
}

/* 0: let it pass, 1: fail, 2: die after it */
static int fate(char o, const char *path) {
  int now;
  if (o != op || !strstr(path, part)) return 0;
  now = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
  if (deed == 's') { usleep(1000 * arg); return 0; }
  if (now < nth) return 0;
  if (deed == 'k') { kill(getpid(), SIGKILL); pause(); }
  if (deed == 'e') { errno = arg; return 1; }
  return now == nth ? 2 : 0;
}

static int end(int result, int what) {
  if (what == 2) { kill(getpid(), SIGKILL); pause(); }
  return result;
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = dlsym(RTLD_NEXT, #name)
#define TRY(o, fd, name) char b[2 * PATH_MAX]; int f = fate(o, full(fd, name, b)); if (f == 1) return -1

ssize_t write(int fd, const void *p, size_t n) {
  ssize_t r; NEXT(write); if (op != 'w') return next(fd, p, n);
  TRY('w', fd, NULL); if (f == 2) n = n / 2;
  r = next(fd, p, n); return end(0, f), r;
}
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
  ssize_t r; NEXT(pwrite); if (op != 'w') return next(fd, p, n, at);
  TRY('w', fd, NULL); if (f == 2) n = n / 2;
  r = next(fd, p, n, at); return end(0, f), r;
}
ssize_t writev(int fd, const struct iovec *v, int n) {
  ssize_t r; NEXT(writev); if (op != 'w') return next(fd, v, n);
  TRY('w', fd, NULL); if (f == 2) n = (n + 1) / 2;
  r = next(fd, v, n); return end(0, f), r;
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) {
  ssize_t r; NEXT(pwritev); if (op != 'w') return next(fd, v, n, at);
  TRY('w', fd, NULL); if (f == 2) n = (n + 1) / 2;
  r = next(fd, v, n, at); return end(0, f), r;
}
int rename(const char *from, const char *to) {
  char both[2 * PATH_MAX]; int f;
  NEXT(rename); if (op != 'r') return next(from, to);
  snprintf(both, sizeof both, "%s>%s", from, to);
  f = fate('r', both); if (f == 1) return -1;
  return end(next(from, to), f);
}
int mkdir(const char *path, mode_t mode) {
  NEXT(mkdir); if (op != 'm') return next(path, mode);
  TRY('m', AT_FDCWD, path); return end(next(path, mode), f);
}
int unlink(const char *path) {
  NEXT(unlink); if (op != 'u') return next(path);
  TRY('u', AT_FDCWD, path); return end(next(path), f);
}
int unlinkat(int fd, const char *path, int flags) {
  NEXT(unlinkat); if (op != 'u') return next(fd, path, flags);
  TRY('u', fd, path); return end(next(fd, path, flags), f);
}
int fsync(int fd) {
  NEXT(fsync); if (op != 's') return next(fd);
  TRY('s', fd, NULL); return end(next(fd), f);
}
int fdatasync(int fd) {
  NEXT(fdatasync); if (op != 's') return next(fd);
  TRY('s', fd, NULL); return end(next(fd), f);
}
