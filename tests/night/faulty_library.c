/* A libwasmtime that, some seconds after it was loaded, crashes, stops for ever, or writes garbage where the
   worker's answers belong. Linked against the real one, whose functions it has besides.
   Its file is to be called libwasmtime.so, and the real one something else: the worker says what it has loaded.

   cc -shared -fPIC -o libwasmtime.so faulty_library.c -Wl,--no-as-needed /path/to/real.so -lpthread */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *trouble(void *unused) {
  unsigned seed = (unsigned)getpid() ^ (unsigned)time(NULL);
  char garbage[400];
  for (;;) {
    usleep(1000000 + rand_r(&seed) % 15000000);
    switch (rand_r(&seed) % 6) {
    case 0:
      raise(SIGSEGV);
      break;
    case 1:
      kill(getpid(), SIGSTOP);
      break;
    default:
      for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (char)rand_r(&seed);
      for (int fd = 1; fd < 64; fd++)
        if (write(fd, garbage, sizeof garbage) < 0) continue;
    }
  }
  return unused;
}

__attribute__((constructor)) static void begin(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, trouble, NULL);
}
