#include "common/profile_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"

#define RECORD_VERSION 1

/* ---- out ---- */

static json_t *make_servers(const struct profile *profile, enum profile_form form)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < profile->server_count; i++) {
        const struct server_uri *uri = &profile->servers[i];
        char shown[SERVER_URI_MAX];
        /* The record keeps both: the A-labels that count and what was typed. */
        json_t *entry = form == PROFILE_FORM_SHOWN ? json_string(server_uri_shown(uri, shown))
                                                   : json_pack("{s:s, s:s}", "uri", uri->text,
                                                               "host_shown", uri->host_shown);

        if (json_array_append_new(list, entry) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Sets "group.member", or "member". */
static int set_member(json_t *out, const char *name, const char *suffix, json_t *value)
{
    const char *dot = strchr(name, '.');
    char group[PROPERTY_NAME_SIZE], key[PROPERTY_NAME_SIZE];

    (void)snprintf(key, sizeof(key), "%s%s", dot != NULL ? dot + 1 : name, suffix);
    if (dot == NULL)
        return json_object_set_new(out, key, value);
    (void)snprintf(group, sizeof(group), "%.*s", (int)(dot - name), name);
    return json_object_set_new(json_object_get(out, group), key, value);
}

static int write_secrets(const struct profile *profile, enum profile_form form, json_t *out)
{
    int failed = 0;

    for (size_t i = 0; i < profile_properties.count; i++) {
        const struct property *row = &profile_properties.rows[i];
        int index = profile_secret_index(row);

        if (index < 0 || (row->types & PROFILE_TYPE_BIT(profile->type)) == 0)
            continue;
        failed |= set_member(out, row->name, "_set", json_boolean(profile->secret_set[index]));
        if (form == PROFILE_FORM_WORKER && profile->secrets[index] != NULL)
            failed |= set_member(out, row->name, "", json_string(profile->secrets[index]));
    }
    /* Without a grant there is no oauth: shown as nothing rather than as a form of nulls. */
    if (profile->type == PROFILE_SMTP && form == PROFILE_FORM_SHOWN &&
        profile->oauth.grant == GRANT_NONE)
        failed |= json_object_set_new(out, "oauth", json_null());
    return failed;
}

static int write_shown(const struct profile *profile, json_t *out)
{
    json_t *names = json_array();

    if (json_object_set_new(out, "not_in_effect", names) < 0)
        return -ENOMEM;
    return profile_list_not_in_effect(profile, names);
}

json_t *profile_to_json(const struct profile *profile, enum profile_form form)
{
    json_t *out = json_object();
    int failed = 0;

    if (out == NULL)
        return NULL;
    if (form != PROFILE_FORM_SHOWN)
        failed |= json_object_set_new(out, "v", json_integer(RECORD_VERSION));
    failed |= json_object_set_new(out, "id", json_integer(profile->id));
    failed |= json_object_set_new(out, "version", json_integer((json_int_t)profile->version));
    failed |= json_object_set_new(out, "name", json_string(profile->name));
    failed |= json_object_set_new(out, "type", json_string(profile_type_name(profile->type)));
    failed |= json_object_set_new(out, "incomplete", json_boolean(profile->incomplete));
    failed |= json_object_set_new(out, "servers", make_servers(profile, form));
    failed |= property_write(&profile_properties, PROFILE_TYPE_BIT(profile->type), profile, out);
    failed |= write_secrets(profile, form, out);
    if (form == PROFILE_FORM_SHOWN)
        failed |= write_shown(profile, out);
    if (failed == 0)
        return out;
    json_decref(out);
    return NULL;
}

/* ---- in: what we wrote ourselves, perhaps in another version ---- */

static int read_servers(const json_t *record, struct profile *p, struct reason *reterr_why)
{
    const json_t *list = json_object_get(record, "servers");
    size_t count = json_array_size(list);

    if (count == 0 || count > PROFILE_MAX_SERVERS)
        return reason_set(reterr_why, -EBADMSG, "servers: has %zu", count);
    p->servers = calloc(count, sizeof(struct server_uri));
    if (p->servers == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *text = json_string_value(json_object_get(entry, "uri"));
        const char *shown = json_string_value(json_object_get(entry, "host_shown"));
        struct server_uri *uri = &p->servers[i];

        if (text == NULL || shown == NULL || strlen(shown) >= sizeof(uri->host_shown) ||
            server_uri_parse(text, p->type, uri, NULL, NULL) < 0)
            return reason_set(reterr_why, -EBADMSG, "servers[%zu]: is not a server", i);
        memcpy(uri->host_shown, shown, strlen(shown) + 1);
        p->server_count++;
    }
    return 0;
}

static int read_secrets(const json_t *record, struct profile *p, struct reason *reterr_why)
{
    for (size_t i = 0; i < profile_properties.count; i++) {
        const struct property *row = &profile_properties.rows[i];
        const json_t *clear = property_value(record, row->name);
        int index = profile_secret_index(row);
        char name[PROPERTY_NAME_SIZE];

        if (index < 0 || (row->types & PROFILE_TYPE_BIT(p->type)) == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s_set", row->name);
        if (!json_is_boolean(property_value(record, name)))
            return reason_set(reterr_why, -EBADMSG, "%s is missing", name);
        p->secret_set[index] = json_is_true(property_value(record, name));
        if (clear == NULL || json_is_null(clear))
            continue;
        if (!json_is_string(clear) || !p->secret_set[index])
            return reason_set(reterr_why, -EBADMSG, "%s: is not a secret", row->name);
        p->secrets[index] = strdup(json_string_value(clear));
        if (p->secrets[index] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int read_head(const json_t *record, struct profile *p, struct reason *reterr_why)
{
    const json_t *version = json_object_get(record, "v");
    const json_t *id = json_object_get(record, "id");
    const char *name = json_string_value(json_object_get(record, "name"));
    int type = profile_type_parse(json_string_value(json_object_get(record, "type")));

    if (!json_is_integer(version) || json_integer_value(version) != RECORD_VERSION)
        return reason_set(reterr_why, -EBADMSG,
                          "the record has format %lld, this version of Postern knows %d",
                          (long long)json_integer_value(version), RECORD_VERSION);
    if (name == NULL || type < 0 || !json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) > UINT32_MAX ||
        !json_is_integer(json_object_get(record, "version")) ||
        !json_is_boolean(json_object_get(record, "incomplete")))
        return reason_set(reterr_why, -EBADMSG, "name, type, id, version or incomplete is missing");
    p->id = (uint32_t)json_integer_value(id);
    p->version = (uint64_t)json_integer_value(json_object_get(record, "version"));
    p->type = (enum profile_type)type;
    p->incomplete = json_is_true(json_object_get(record, "incomplete"));
    p->name = strdup(name);
    return p->name != NULL ? 0 : -ENOMEM;
}

static int read_record(const json_t *record, struct profile *p, struct reason *reterr_why)
{
    AUTO(json) json_t *rest = NULL;
    int err = read_head(record, p, reterr_why);

    if (err == 0)
        err = read_servers(record, p, reterr_why);
    if (err == 0)
        err = read_secrets(record, p, reterr_why);
    if (err < 0)
        return err;
    rest = json_copy((json_t *)record);
    if (rest == NULL)
        return -ENOMEM;
    (void)json_object_del(rest, "v");
    (void)json_object_del(rest, "sealed");
    return property_read_record(&profile_properties, PROFILE_TYPE_BIT(p->type), rest, p,
                                reterr_why);
}

int profile_from_record(const json_t *record, struct profile **ret_profile,
                        struct reason *reterr_why)
{
    struct profile *profile = calloc(1, sizeof(*profile));
    int err = profile != NULL ? read_record(record, profile, reterr_why) : -ENOMEM;

    if (err < 0)
        profile_free(&profile);
    else
        *ret_profile = profile;
    return err;
}
