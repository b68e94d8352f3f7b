/* master/ctl/commands.h: every command of posternctl, one file per noun. */
#ifndef MASTER_CTL_COMMANDS_H
#define MASTER_CTL_COMMANDS_H

struct ctl;

/* `arguments` are those behind noun and verb, NULL behind the last. Returns enum ctl_exit. */
typedef int ctl_run(struct ctl *ctl, char **arguments);

ctl_run stats_show;
ctl_run status_show, worker_list, audit_list, ambiguous_list, key_rotate, settings_show,
    settings_put;
ctl_run alert_list, alert_test;
ctl_run test_message;
ctl_run profile_list, profile_show, profile_put, profile_delete, profile_test;
ctl_run rule_list, rule_show, rule_put, rule_delete, rule_move, rule_which;
ctl_run queue_list, queue_show, queue_retry, queue_hold, queue_release, queue_reroute, queue_delete;
ctl_run quarantine_list, quarantine_show, quarantine_release, quarantine_rescan, quarantine_forward,
    quarantine_delete;
ctl_run server_list, server_drain, server_enable;
ctl_run pool_show;
ctl_run account_list, account_add, account_passwd, account_role, account_delete;
ctl_run settings_export, settings_import;

#endif
