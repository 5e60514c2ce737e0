/* The C interface, compiled as C: what vibed.h promises, from the side of a C program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vibed.h"

static int failures = 0;

#define CHECK(condition)                                                     \
  do {                                                                       \
    if (!(condition)) {                                                      \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                            \
    }                                                                        \
  } while (0)

static void header_and_library_are_of_one_version(void) {
  CHECK(strcmp(vibed_version(), VIBED_VERSION) == 0);
}

static void every_status_has_a_name(void) {
  int status;
  CHECK(strcmp(vibed_status_name(VIBED_OK), "ok") == 0);
  for (status = VIBED_OK; status <= VIBED_INTERNAL; ++status) {
    CHECK(strcmp(vibed_status_name((vibed_status)status), "unknown") != 0);
  }
}

static void a_folder_is_classified(void) {
  char *json = NULL;
  char *message = NULL;
  CHECK(vibed_classify(VIBED_EXAMPLES "/static", NULL, &json, &message) == VIBED_OK);
  CHECK(message == NULL);
  CHECK(json != NULL && strstr(json, "\"static-nginx\"") != NULL);
  vibed_free(json);
}

static void a_given_template_wins(void) {
  char *json = NULL;
  CHECK(vibed_classify(VIBED_EXAMPLES "/static", "{\"template\":\"node-24\"}", &json, NULL) ==
        VIBED_OK);
  CHECK(json != NULL && strstr(json, "\"node-24\"") != NULL);
  vibed_free(json);
}

static void a_failure_has_a_status_and_a_message(void) {
  char *json = NULL;
  char *message = NULL;
  CHECK(vibed_classify("/no/such/folder", NULL, &json, &message) == VIBED_NOT_FOUND);
  CHECK(json == NULL);
  CHECK(message != NULL && strstr(message, "/no/such/folder") != NULL);
  vibed_free(message);
  CHECK(vibed_classify_bytes("no gzip", 7, NULL, &json, NULL) == VIBED_INVALID_ARGUMENT);
  CHECK(vibed_classify(NULL, NULL, &json, NULL) == VIBED_INVALID_ARGUMENT);
  CHECK(vibed_classify(VIBED_EXAMPLES "/static", "{\"lame\":\"fast\"}", &json, NULL) ==
        VIBED_INVALID_ARGUMENT);
}

static void null_may_be_freed(void) { vibed_free(NULL); }

#ifdef VIBED_WITH_ENGINE

static void an_engine_needs_a_data_folder(void) {
  vibed_engine_options options = VIBED_ENGINE_OPTIONS_INIT;
  vibed_engine *engine = NULL;
  CHECK(vibed_engine_open(&options, &engine, NULL) == VIBED_INVALID_ARGUMENT);
  CHECK(vibed_engine_open(NULL, &engine, NULL) == VIBED_INVALID_ARGUMENT);
  options.data = "/tmp/x";
  options.version = 99;
  CHECK(vibed_engine_open(&options, &engine, NULL) == VIBED_INVALID_ARGUMENT);
  CHECK(engine == NULL);
  vibed_engine_close(NULL);
}

static void an_engine_deploys_lists_and_removes(void) {
  char data[] = "/tmp/vibed-c-XXXXXX";
  char command[64];
  char *json = NULL;
  char *message = NULL;
  vibed_engine *engine = NULL;
  vibed_engine_options options = VIBED_ENGINE_OPTIONS_INIT;
  vibed_status status;
  CHECK(mkdtemp(data) != NULL);
  options.data = data;
  options.config_yaml =
      "server: {httpAddr: '127.0.0.1:0'}\n"
      "apps: {listen: '127.0.0.1:0'}\n"
      "pool: {disabled: [node-24, python-313, go-123, base-al2023]}\n";
  options.agent = VIBED_AGENT;
  options.templates = VIBED_TEMPLATES;
  status = vibed_engine_open(&options, &engine, &message);
  if (status != VIBED_OK) {
    fprintf(stderr, "open: %s: %s\n", vibed_status_name(status), message);
    vibed_free(message);
    ++failures;
    return;
  }
  CHECK(strncmp(vibed_engine_api_url(engine), "http://127.0.0.1:", 17) == 0);
  CHECK(strncmp(vibed_engine_apps_url(engine), "http://localhost:", 17) == 0);

  CHECK(vibed_engine_deploy(engine, VIBED_EXAMPLES "/static", "{\"name\":\"site\"}", &json,
                            &message) == VIBED_OK);
  CHECK(json != NULL && strstr(json, "\"Ready\"") != NULL);
  if (message != NULL) fprintf(stderr, "deploy: %s\n", message);
  vibed_free(json);
  vibed_free(message);
  message = NULL;
  json = NULL;

  CHECK(vibed_engine_deploy(engine, VIBED_EXAMPLES "/static", "{\"name\":\"-\"}", &json, &message) ==
        VIBED_INVALID_ARGUMENT);
  CHECK(json == NULL && message != NULL);
  vibed_free(message);

  CHECK(vibed_engine_list(engine, &json, NULL) == VIBED_OK);
  CHECK(json != NULL && strstr(json, "\"site\"") != NULL);
  vibed_free(json);

  CHECK(vibed_engine_remove(engine, "site", NULL) == VIBED_OK);
  CHECK(vibed_engine_get(engine, "site", &json, NULL) == VIBED_NOT_FOUND);
  vibed_engine_close(engine);
  snprintf(command, sizeof command, "rm -rf %s", data);
  CHECK(system(command) == 0);
}

#endif

int main(void) {
  header_and_library_are_of_one_version();
  every_status_has_a_name();
  a_folder_is_classified();
  a_given_template_wins();
  a_failure_has_a_status_and_a_message();
  null_may_be_freed();
#ifdef VIBED_WITH_ENGINE
  an_engine_needs_a_data_folder();
  an_engine_deploys_lists_and_removes();
#endif
  if (failures == 0) puts("ok");
  return failures == 0 ? 0 : 1;
}
