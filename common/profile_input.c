#include "common/profile_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"

#define DEFAULT_IN_FLIGHT_PER_SERVER 20U

/* The type decides which properties there are, so it comes first. -1 with the error. */
static int read_type(const struct profile_reading *r)
{
    const json_t *value = json_object_get(r->input, "type");
    int type;

    if (value == NULL || json_is_null(value)) {
        if (r->stored != NULL)
            return (int)r->stored->type;
        problem_add(r->problems, "type", NULL, "smtp, core or vault", "is missing");
        return -1;
    }
    type = profile_type_parse(json_string_value(value));
    if (type < 0)
        problem_add(r->problems, "type", value, "smtp, core or vault", "is not one of the values");
    if (r->stored == NULL || type < 0 || type == (int)r->stored->type)
        return type;
    problem_add(r->problems, "type", value, profile_type_name(r->stored->type),
                "the type cannot change after creation");
    return (int)r->stored->type;
}

static void read_name(const struct profile_reading *r)
{
    static const char allowed[] = "1 to 128 characters without control characters";
    const json_t *value = json_object_get(r->input, "name");
    const char *typed = json_string_value(value);
    struct reason why = { "" };

    if (value == NULL || json_is_null(value)) {
        problem_add(r->problems, "name", NULL, allowed, "is missing");
    } else if (typed == NULL) {
        problem_add(r->problems, "name", value, allowed, "must be a text");
    } else if (strlen(typed) != json_string_length(value)) {
        problem_add(r->problems, "name", value, allowed, "has a control character");
    } else {
        r->profile->name = names_clean(typed, &why);
        if (r->profile->name == NULL)
            problem_add(r->problems, "name", value, allowed, "%s", why.text);
    }
}

static const char *allowed_uris(enum profile_type type)
{
    switch (type) {
    case PROFILE_SMTP: return "smtp://host:port or smtps://host:port";
    case PROFILE_CORE: return "http://host:port or https://host:port";
    case PROFILE_VAULT: return "http://host:port/path or https://host:port/path";
    case PROFILE_TYPE_COUNT: break;
    }
    return NULL;
}

static const char *server_property(size_t index, char out[32])
{
    (void)snprintf(out, 32, "servers[%zu]", index);
    return out;
}

static void read_server(const struct profile_reading *r, size_t index, const json_t *value)
{
    struct profile *p = r->profile;
    struct server_uri *uri = &p->servers[p->server_count];
    const char *component, *typed = json_string_value(value);
    struct reason why = { "" };
    char name[32];

    server_property(index, name);
    if (typed == NULL || strlen(typed) != json_string_length(value)) {
        problem_add(r->problems, name, value, allowed_uris(p->type), "must be a URI as text");
        return;
    }
    if (server_uri_parse(typed, p->type, uri, &component, &why) < 0) {
        problem_add(r->problems, name, value, allowed_uris(p->type), "%s: %s", component, why.text);
        return;
    }
    for (size_t i = 0; i < p->server_count; i++) {
        if (strcmp(p->servers[i].text, uri->text) == 0) {
            problem_add(r->problems, name, value, "each server once", "is the same server as %s",
                        p->servers[i].text);
            return;
        }
    }
    if (uri->port_assumed && uri->scheme == SERVER_SMTPS)
        warning_add(r->problems, name, value, NULL,
                    "port 465 is assumed for smtps:// (write smtps://host:25 if it is port 25)");
    p->server_count++;
}

static void read_servers(const struct profile_reading *r)
{
    const json_t *list = json_object_get(r->input, "servers");
    size_t count = json_array_size(list);
    size_t max = r->profile->type == PROFILE_VAULT ? 1 : PROFILE_MAX_SERVERS;
    const char *allowed = max == 1 ? "exactly one server" : "1 to 64 servers";

    if (list == NULL || json_is_null(list)) {
        problem_add(r->problems, "servers", NULL, allowed, "is missing");
        return;
    }
    if (!json_is_array(list)) {
        problem_add(r->problems, "servers", list, allowed, "must be a list");
        return;
    }
    if (count == 0 || count > max)
        problem_add(r->problems, "servers", NULL, allowed, "has %zu servers", count);
    if (count > PROFILE_MAX_SERVERS)
        count = PROFILE_MAX_SERVERS;
    r->profile->servers = calloc(count + 1, sizeof(struct server_uri));
    if (r->profile->servers == NULL) {
        r->problems->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        read_server(r, i, json_array_get(list, i));
}

/* The defaults that depend on something else. What is derived never contradicts what was given:
 * a first pause longer than an hour lifts the default of the longest one, and so on. */
static void set_derived_defaults(const struct profile_reading *r)
{
    struct profile *p = r->profile;

    if (p->type != PROFILE_SMTP)
        return;
    if (p->max_in_flight == 0)
        p->max_in_flight = DEFAULT_IN_FLIGHT_PER_SERVER * (unsigned)p->server_count;
    if (!property_is_given(r->input, "retry.max") && p->retry.max_s < p->retry.first_s)
        p->retry.max_s = p->retry.first_s;
    if (!property_is_given(r->input, "retry.warn") && p->retry.warn_s > p->retry.lifetime_s)
        p->retry.warn_s = p->retry.lifetime_s;
}

static void read_all(const struct profile_reading *r)
{
    int type = read_type(r);

    /* Without a type the values are still looked at, as far as they mean the same everywhere. */
    property_read(&profile_properties,
                  type < 0 ? PROPERTY_ALL_TYPES : PROFILE_TYPE_BIT((unsigned)type), r->input,
                  r->profile, r->problems);
    read_name(r);
    if (type < 0)
        return;
    r->profile->type = (enum profile_type)type;
    read_servers(r);
    set_derived_defaults(r);
    profile_read_secrets(r);
    profile_check(r);
    if (!problems_any(r->problems))
        profile_warn(r);
}

static struct profile *read_profile(const json_t *input, const struct profile *stored,
                                    bool is_import, struct problems *problems)
{
    struct profile *profile;
    struct profile_reading reading = { input, stored, NULL, problems, is_import };

    if (!json_is_object(input)) {
        problem_add(problems, "profile", input, "a JSON object", "must be an object");
        return NULL;
    }
    profile = calloc(1, sizeof(*profile));
    if (profile == NULL)
        return NULL;
    if (stored != NULL) {
        profile->id = stored->id;
        profile->version = stored->version;
    }
    reading.profile = profile;
    read_all(&reading);
    if (problems_any(problems))
        profile_free(&profile);
    return profile;
}

struct profile *profile_from_input(const json_t *input, const struct profile *stored,
                                   struct problems *problems)
{
    return read_profile(input, stored, false, problems);
}

struct profile *profile_from_import(const json_t *input, const struct profile *stored,
                                    struct problems *problems)
{
    return read_profile(input, stored, true, problems);
}

void profile_check_digital_id(const json_t *input, bool has_digital_id, struct problems *problems)
{
    const json_t *value = json_object_get(input, "client_certificate");

    if (!json_is_true(value) || has_digital_id ||
        profile_type_parse(json_string_value(json_object_get(input, "type"))) == PROFILE_VAULT)
        return;
    problem_add(problems, "client_certificate", value,
                "false, or true once tls.certificate and tls.key are set in the configuration file",
                "the appliance has no digital ID");
}
