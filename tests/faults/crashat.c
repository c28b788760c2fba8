/* crashat: run a command and kill it just before its K-th change to a file.
 *
 * usage: crashat [-k K] [-d agent|watchdog|all] [-t] [-f] [-l] -- command...
 *
 * Counts every system call that changes a file (rename, link, mkdir, open that creates or truncates, write to a regular
 * file, sync, ...) over all processes that the command starts; K = 0 only counts. A process that called setsid, and
 * its children, are the watchdog's domain; all others are the agent's. At the K-th change of the domain every process
 * of it gets SIGKILL and the change does not happen; with -t the first half of a write does. Those outside the domain
 * live on until they end by themselves. With -f the domain is not killed but frozen, until nobody else is left. The last line on stderr: CRASHAT ops=N killed=0|1 exit=STATUS.
 * -l lists the changes. SIGTERM ends everything (PTRACE_O_EXITKILL).
 *
 * ptrace stops only at the listed calls (a seccomp filter asks for it), so the rest runs at full speed.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define COUNT_ARGUMENT(regs) ((regs).rdx)
#elif defined(__aarch64__)
#define COUNT_ARGUMENT(regs) ((regs).regs[2])
#else
#error "crashat knows x86_64 and aarch64"
#endif

static const int CALLS[] = {
#ifdef SYS_rename
    SYS_rename, SYS_link, SYS_symlink, SYS_unlink, SYS_rmdir, SYS_mkdir, SYS_open, SYS_creat, SYS_chmod, SYS_chown,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_unlinkat, SYS_mkdirat, SYS_openat, SYS_write, SYS_pwrite64,
    SYS_writev, SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs,
    SYS_copy_file_range, SYS_sendfile, SYS_splice, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_utimensat,
    SYS_setsid,
};
enum { N_CALLS = sizeof CALLS / sizeof *CALLS, MAX_PROCESSES = 16384 };
enum domain { AGENT, WATCHDOG, ALL };

struct process {
  pid_t pid;
  enum domain domain;
  int alive, known, waiting; /* waiting: it stopped before the event that tells whose child it is */
};
static struct process table[MAX_PROCESSES];
static int used, killed, list, torn, frozen;
static long count, target;
static enum domain victim = ALL;

static struct process *entry(pid_t pid) {
  for (int i = used - 1; i >= 0; i--)
    if (table[i].pid == pid && table[i].alive) return &table[i];
  if (used == MAX_PROCESSES) { fprintf(stderr, "crashat: too many processes\n"); exit(97); }
  table[used] = (struct process){.pid = pid, .alive = 1};
  return &table[used++];
}

static int hit(const struct process *p) { return victim == ALL || p->domain == victim; }

static void strike(const struct process *p) { kill(p->pid, frozen ? SIGSTOP : SIGKILL); }

static int regular(pid_t pid, unsigned long fd) {
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/%d/fd/%lu", pid, fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return path[0] == '/' && strncmp(path, "/dev/", 5) && strncmp(path, "/proc/", 6);
}

static int below_dev(pid_t pid, unsigned long address) {
  char path[64], start[6] = "";
  snprintf(path, sizeof path, "/proc/%d/mem", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = pread(fd, start, 5, (off_t)address);
  close(fd);
  return n == 5 && !memcmp(start, "/dev/", 5);
}

static int changes_a_file(pid_t pid, const struct __ptrace_syscall_info *call) {
  const __typeof__(call->seccomp.args[0]) *arg = call->seccomp.args;
  switch (call->seccomp.nr) {
#ifdef SYS_open
    case SYS_open: return (arg[1] & (O_CREAT | O_TRUNC)) && !below_dev(pid, arg[0]);
#endif
    case SYS_openat: return (arg[2] & (O_CREAT | O_TRUNC)) && !below_dev(pid, arg[1]);
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_sendfile: return regular(pid, arg[0]);
    case SYS_copy_file_range: case SYS_splice: return regular(pid, arg[2]);
    case SYS_setsid: return 0;
    default: return 1;
  }
}

static void write_half(pid_t pid) {
  struct user_regs_struct regs;
  struct iovec io = {&regs, sizeof regs};
  int status;
  if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &io) || COUNT_ARGUMENT(regs) < 2) return;
  COUNT_ARGUMENT(regs) /= 2;
  ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &io);
  for (int stop = 0; stop < 2; stop++) { /* into the call, out of the call */
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    if (waitpid(pid, &status, __WALL) != pid) return;
  }
}

static void at_call(struct process *p) {
  struct __ptrace_syscall_info call;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof call, &call) <= 0) return;
  if (call.seccomp.nr == SYS_setsid) p->domain = WATCHDOG;
  if (killed || !hit(p) || !changes_a_file(p->pid, &call)) return;
  count++;
  if (list) fprintf(stderr, "%ld pid=%d domain=%d call=%ld\n", count, p->pid, p->domain, (long)call.seccomp.nr);
  if (count != target) return;
  if (torn && call.seccomp.nr == SYS_write) write_half(p->pid);
  killed = 1;
  for (int i = 0; i < used; i++)
    if (table[i].alive && hit(&table[i])) strike(&table[i]);
}

static void born(struct process *parent) {
  unsigned long pid;
  if (ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &pid)) return;
  struct process *child = entry((pid_t)pid);
  child->domain = parent->domain;
  child->known = 1;
  if (killed && hit(child)) strike(child);
  if (child->waiting) ptrace(PTRACE_CONT, child->pid, 0, 0);
  child->waiting = 0;
}

/* A victim may die before the event that tells of its child: the child then belongs to nobody that lives, and dies too. */
static int orphan(pid_t pid) {
  char path[64], line[256];
  int parent = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  while (fgets(line, sizeof line, file) && sscanf(line, "PPid: %d", &parent) != 1) continue;
  fclose(file);
  for (int i = used - 1; i >= 0; i--)
    if (table[i].pid == parent && table[i].alive && table[i].known) return hit(&table[i]);
  return 1;
}

/* A frozen process that nobody killed, and nobody left who could: the run is over. */
static void thaw(void) {
  for (int i = 0; i < used; i++)
    if (table[i].alive && !hit(&table[i])) return;
  for (int i = 0; i < used; i++)
    if (table[i].alive) kill(table[i].pid, SIGKILL);
}

static void bury(void) {
  for (int i = 0; killed && i < used; i++)
    if (table[i].alive && table[i].waiting && orphan(table[i].pid)) kill(table[i].pid, SIGKILL);
}

static void child(char **words) {
  struct sock_filter code[N_CALLS + 3];
  code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int i = 0; i < N_CALLS; i++)
    code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CALLS[i], N_CALLS - i, 0);
  code[N_CALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[N_CALLS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  struct sock_fprog filter = {N_CALLS + 3, code};
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  raise(SIGSTOP);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) { perror("crashat: seccomp"); _exit(99); }
  execvp(words[0], words);
  perror("crashat: exec");
  _exit(98);
}

static int run(pid_t root) {
  int status, ended = -1;
  for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
    struct process *p = entry(pid);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      p->alive = 0;
      bury();
      if (killed && frozen) thaw();
      if (pid == root) ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      continue;
    }
    int signal = WSTOPSIG(status), event = status >> 16;
    if (!p->known) { p->waiting = 1; bury(); continue; }
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) born(p);
    else if (event == PTRACE_EVENT_SECCOMP) at_call(p);
    if (killed && hit(p) && frozen) { thaw(); continue; }
    if (killed && hit(p)) kill(pid, SIGKILL);
    ptrace(PTRACE_CONT, pid, 0, event || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
  }
  return ended;
}

int main(int argc, char **argv) {
  int option, status;
  while ((option = getopt(argc, argv, "+k:d:tfl")) != -1) switch (option) {
    case 'k': target = atol(optarg); break;
    case 'd': victim = !strcmp(optarg, "agent") ? AGENT : !strcmp(optarg, "watchdog") ? WATCHDOG : ALL; break;
    case 't': torn = 1; break;
    case 'f': frozen = 1; break;
    case 'l': list = 1; break;
    default: return 64;
  }
  pid_t root = fork();
  if (root == 0) child(argv + optind);
  if (root < 0 || waitpid(root, &status, 0) != root) { perror("crashat: fork"); return 96; }
  if (ptrace(PTRACE_SETOPTIONS, root, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
             PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL)) { perror("crashat: ptrace"); return 95; }
  entry(root)->known = 1;
  ptrace(PTRACE_CONT, root, 0, 0);
  int ended = run(root);
  fprintf(stderr, "CRASHAT ops=%ld killed=%d exit=%d\n", count, killed, ended);
  return 0;
}
