/* The page's beginning. */
import { render } from 'preact';

import './style/index.css';
import { startSession } from './app/session.js';
import { App } from './app/App.jsx';

render(<App />, document.getElementById('page'));
startSession();
