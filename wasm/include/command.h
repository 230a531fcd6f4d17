#pragma once
#define HERMIT_ABI 1
