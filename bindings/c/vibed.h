/* vibed from C: what a source tree is, and vibed on one machine inside of your process.
 *
 * Conventions. Handles are opaque; what an _open hands out the matching _close takes back, and NULL
 * is allowed there. A function that can fail returns a vibed_status; its last parameter `message` may
 * be NULL and otherwise receives a text to free with vibed_free (only when the status is not
 * VIBED_OK). Other out parameters are written only on success. Text is UTF-8 and NUL-terminated,
 * bytes travel with a length, and what has many parts travels as JSON. A handle may be used from any
 * thread until it is closed. No function installs a signal handler or changes the process around
 * it. */
#ifndef VIBED_H
#define VIBED_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIBED_C_API __attribute__((visibility("default")))

/* The version of this header; vibed_version() is that of the loaded library. */
#ifndef VIBED_VERSION
#define VIBED_VERSION "0.1.0"
#endif

/* What the caller can do about a failure. The values never change their meaning. */
typedef enum vibed_status {
  VIBED_OK = 0,
  VIBED_INVALID_ARGUMENT = 1,   /* the input is wrong; the same call will fail again */
  VIBED_UNAUTHENTICATED = 2,    /* no usable credential */
  VIBED_PERMISSION_DENIED = 3,  /* a good credential that may not do this */
  VIBED_NOT_FOUND = 4,
  VIBED_ALREADY_EXISTS = 5,
  VIBED_CONFLICT = 6,           /* somebody else wrote first; read again, then retry */
  VIBED_RESOURCE_EXHAUSTED = 7, /* a limit was hit or a pool is empty */
  VIBED_UNAVAILABLE = 8,        /* the other side did not answer; retry later */
  VIBED_DEADLINE_EXCEEDED = 9,
  VIBED_CANCELLED = 10,         /* the handle is closed, or the caller asked to stop */
  VIBED_INTERNAL = 11           /* a bug in vibed */
} vibed_status;

/* "0.1.0". Not to be freed. Since 0.1. */
VIBED_C_API const char *vibed_version(void);

/* "not_found", and "ok" for VIBED_OK. Not to be freed. Since 0.1. */
VIBED_C_API const char *vibed_status_name(vibed_status status);

/* Frees a text that a function of this library has handed out. NULL is allowed. Since 0.1. */
VIBED_C_API void vibed_free(char *text);

/* Which lane and template the folder or .tgz file at `path` belongs to, and why:
 *   {"lane":"general","template":"node-24","rule":4,"reason":"...","evidence":["package.json"],...}
 * Nothing of the source is executed. `options_json` may be NULL, or {"lane":"fast"} and
 * {"template":"..."}, which win over the rules. Since 0.1. */
VIBED_C_API vibed_status vibed_classify(const char *path, const char *options_json, char **json,
                                        char **message);

/* The same of a gzipped tar archive in memory. Since 0.1. */
VIBED_C_API vibed_status vibed_classify_bytes(const void *archive, size_t size,
                                              const char *options_json, char **json,
                                              char **message);

/* One running vibed. */
typedef struct vibed_engine vibed_engine;

/* Begin with VIBED_ENGINE_OPTIONS_INIT; members are only ever added at the end. */
typedef struct vibed_engine_options {
  int version;
  const char *data;        /* the data folder, made if absent; at most 60 bytes long */
  const char *config_yaml; /* the text of a vibed.yaml; NULL: defaults */
  int keep_apps;           /* closing leaves apps and Caddy running, to be adopted by the next open */
  const char *agent;       /* the program vibed-agent; NULL: found by itself */
  const char *templates;   /* the folder templates/; NULL: found by itself */
} vibed_engine_options;

#define VIBED_ENGINE_OPTIONS_VERSION 1
#define VIBED_ENGINE_OPTIONS_INIT {VIBED_ENGINE_OPTIONS_VERSION, NULL, NULL, 0, NULL, NULL}

/* Starts vibed on a data folder and returns when it answers. Since 0.1. */
VIBED_C_API vibed_status vibed_engine_open(const vibed_engine_options *options,
                                           vibed_engine **engine, char **message);

/* Ends all that was started (unless keep_apps) within 10 s and frees the handle. Since 0.1. */
VIBED_C_API void vibed_engine_close(vibed_engine *engine);

/* "http://127.0.0.1:8080", and "http://localhost:18080". Valid until the engine is closed. Since 0.1. */
VIBED_C_API const char *vibed_engine_api_url(const vibed_engine *engine);
VIBED_C_API const char *vibed_engine_apps_url(const vibed_engine *engine);

/* Deploys the folder or .tgz file at `path`; `metadata_json` as in POST /v1/deploy, at least
 * {"name":"..."}. `app_json` is the app as GET /v1/apps/{id} gives it: Ready, or why it is not, after
 * at most 10 s of waiting. Since 0.1. */
VIBED_C_API vibed_status vibed_engine_deploy(vibed_engine *engine, const char *path,
                                             const char *metadata_json, char **app_json,
                                             char **message);

/* The same of a gzipped tar archive in memory. Since 0.1. */
VIBED_C_API vibed_status vibed_engine_deploy_bytes(vibed_engine *engine, const void *archive,
                                                   size_t size, const char *metadata_json,
                                                   char **app_json, char **message);

/* {"items":[...],"total":1}. Since 0.1. */
VIBED_C_API vibed_status vibed_engine_list(vibed_engine *engine, char **json, char **message);

/* One app. Since 0.1. */
VIBED_C_API vibed_status vibed_engine_get(vibed_engine *engine, const char *app, char **app_json,
                                          char **message);

/* Removes an app and returns when it is gone. Since 0.1. */
VIBED_C_API vibed_status vibed_engine_remove(vibed_engine *engine, const char *app, char **message);

#ifdef __cplusplus
}
#endif

#endif /* VIBED_H */
