// A toy engine that speaks the frame protocol: cc -O1 -o toy toy.c, and fuzz run --engine program@$PWD/toy
// It runs functions that add, subtract and multiply their i32 parameters, and says of all others that it cannot. Put
// your own engine in place of `run` and `find`; all else stays as it is (docs/protocol.md). Headers are compact JSON.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int requests, replies, progress;
static uint8_t body[1 << 20], *module; // results of a case, and its module
static uint32_t stack[1 << 16], used, module_size;

static void take(uint8_t *to, size_t size) {
  for (ssize_t got; size; to += got, size -= got)
    if ((got = read(requests, to, size)) <= 0) exit(0); // the harness has closed its end
}

static uint32_t number(const uint8_t **at) {
  uint32_t value = 0, shift = 0;
  do value |= (uint32_t)(**at & 127) << shift, shift += 7;
  while (*(*at)++ > 127);
  return value;
}

// The body of the function that is exported by a name: exports (section 7) stand before code (section 10).
static const uint8_t *find(const char *name) {
  uint32_t index = -1, count;
  for (const uint8_t *at = module + 8, *end; at < module + module_size; at = end) {
    uint8_t id = *at++;
    end = at, count = number(&end), end += count;
    if (id == 7 || id == 10)
      for (number(&at), count = number(&at); count; count--) {
        uint32_t length = number(&at), kind, function;
        const uint8_t *item = at;
        at += length;
        if (id == 10 && !index--) return item;
        if (id == 7) kind = number(&at), function = number(&at);
        if (id == 7 && kind == 0 && length == strlen(name) && !memcmp(item, name, length)) index = function;
      }
  }
  return NULL;
}

static int run(const uint8_t *at, const uint8_t *slots) { // 0, or the opcode that it does not know
  if (number(&at)) return 1; // it has locals
  for (used = 0; *at != 0x0b;) { // up to its end
    uint8_t op = *at++;
    if (op == 0x20) memcpy(&stack[used++], slots + 16 * number(&at), 4);
    else if (op == 0x6a) used--, stack[used - 1] += stack[used];
    else if (op == 0x6b) used--, stack[used - 1] -= stack[used];
    else if (op == 0x6c) used--, stack[used - 1] *= stack[used];
    else return op;
  }
  return 0;
}

static size_t run_case(char *header, uint8_t **blobs, char *answer) {
  char *call = strstr(header, "\"calls\":["), *end = strstr(header, "],\"globals\":"), *to = answer;
  size_t size = 0;
  if (!call || !end || !strstr(header, "\"sources\":[]")) // it has imports, or the question is whether it is valid
    return strcpy(answer, "{\"inst\":[\"unsupported\",\"more than calls\"]}"), 0;
  to += sprintf(answer, "{\"inst\":[\"returned\",[]],\"out\":[");
  for (int32_t index = 0, said[2]; (call = strstr(call, "[\"")) && call < end && to < answer + 60000; index++) {
    char text[4][2048] = {""}, *at = call + 1; // ["f","host","ii","i",1,[],-1]: name, how, parameters, results, blob
    for (int k = 0; k < 4; k++) sscanf(at, "\"%2047[^\"]", text[k]), at = strchr(at + 1, '"') + 2;
    int blob = atoi(at), plain = !text[2][strspn(text[2], "i")] && !text[3][strspn(text[3], "i")];
    call = strchr(strchr(at, ']') + 1, ']'); // behind the references and the call
    said[0] = 3, said[1] = index, pwrite(progress, said, 8, 0);
    const uint8_t *code = find(text[0]);
    int failed = !plain || !code ? -1 : run(code, blob < 0 ? NULL : blobs[blob]);
    to += index ? sprintf(to, ",") : 0;
    to += failed ? sprintf(to, "[\"unsupported\",\"opcode or call %d\"]", failed) : sprintf(to, "[\"returned\",[]]");
    for (uint32_t i = 0; !failed && i < used; i++, size += 16)
      memset(body + size, 0, 16), memcpy(body + size, stack + i, 4);
  }
  return strcpy(to, "]}"), size;
}

int main(int count, char **words) {
  requests = atoi(words[count - 3]), replies = atoi(words[count - 2]), progress = atoi(words[count - 1]);
  for (uint32_t size, text;;) {
    take((uint8_t *)&size, 4);
    uint8_t *frame = calloc(size + 1, 1), *blobs[4096], *at;
    take(frame, size), memcpy(&text, frame, 4), at = frame + 4 + text;
    char *header = strndup((char *)frame + 4, text), answer[1 << 16], *length = strstr(header, "\"blobs\":[") + 8;
    module = at, module_size = atoi(length + 1); // the first blob
    for (int i = 0; i < 4096 && *length++ != ']'; i++) blobs[i] = at, at += strtol(length, &length, 10);
    strcpy(answer, "{\"protocol\":1,\"name\":\"toy-c\",\"version\":\"1.0\",\"features\":[\"multi_value\"],"
                   "\"carries\":\"i\",\"exact\":true}");
    size_t results = strstr(header, "\"do\":\"hello\"") ? 0 : run_case(header, blobs, answer);
    double times[5] = {(double)clock() / CLOCKS_PER_SEC};
    uint32_t head[2] = {4 + strlen(answer) + results + 40, strlen(answer)};
    struct iovec parts[4] = {{head, 8}, {answer, head[1]}, {body, results}, {times, 40}};
    if (writev(replies, parts, 4) < 0) return 1;
    free(frame), free(header);
  }
}
