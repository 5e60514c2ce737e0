#include <stdio.h>
#include <vibed.h>

int main(int argc, char **argv) {
  char *json = NULL;
  char *message = NULL;
  if (argc != 2) return 2;
  if (vibed_classify(argv[1], NULL, &json, &message) != VIBED_OK) {
    fprintf(stderr, "%s\n", message);
    vibed_free(message);
    return 1;
  }
  printf("%s %s\n", vibed_version(), json);
  vibed_free(json);
  return 0;
}
