// Starts the page.

import { startFunction } from "./function.js";
import { startGraph } from "./graph.js";
import { shortcut, startKeys } from "./keys.js";
import { startMountain } from "./mountain.js";
import { startPlay } from "./play.js";
import { startRun } from "./run.js";
import { startStatus } from "./status.js";
import { startStream } from "./stream.js";
import { startTable } from "./table.js";
import { nextTheme, startTheme } from "./theme.js";
import { startViews } from "./views.js";

startTheme();
startStatus();
startRun();
startGraph();
startMountain();
startFunction();
startPlay();
startTable();
shortcut("t", "Theme: system, light, dark", nextTheme);
startKeys();
startViews();
startStream();
