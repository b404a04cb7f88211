// Who may log in by EAP here, or who we are elsewhere: [user.NAME], in the configuration or in a
// file of their own.
#pragma once

#include "config/tunnel.h"

namespace culvert::config {

void read_users(const Member& member, const TunnelContext& context, std::vector<eap::User>& to);
// The file that `users` names, which has [user.NAME] only. What it has wrong goes to the report.
void read_users_file(const LocatedText& name, Report& report, std::vector<eap::User>& to);

}  // namespace culvert::config
